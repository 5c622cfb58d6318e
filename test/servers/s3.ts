/** Nothing → a real S3 server (moto) of one's own on a free port, with buckets and objects. For tests only. */
import { execFile, spawn } from 'node:child_process'
import { existsSync, mkdirSync, rmSync } from 'node:fs'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { S3Client } from '@aws-sdk/client-s3'
import { freePort } from './port.ts'

const run = promisify(execFile)

export interface S3Server {
  readonly url: string
  /** Signs with any key: moto takes them all. */
  readonly client: S3Client
  close(): Promise<void>
}

/** Installs moto with pip where it has not been yet; fails loudly where that cannot be done. */
export async function startS3(): Promise<S3Server> {
  const program = await installed()
  const port = await freePort()
  const child = spawn(program, ['-H', '127.0.0.1', '-p', String(port)], { stdio: 'ignore' })
  const url = `http://127.0.0.1:${port}`
  for (let tries = 0; ; tries++) {
    if (
      await fetch(`${url}/moto-api/data.json`).then(
        (answer) => answer.ok,
        () => false,
      )
    )
      break
    if (tries > 600 || child.exitCode !== null) throw new Error(`moto_server did not start on port ${port}`)
    await sleep(50)
  }
  const credentials = { accessKeyId: 'test', secretAccessKey: 'test' }
  const client = new S3Client({ region: 'us-east-1', endpoint: url, forcePathStyle: true, credentials })
  return {
    url,
    client,
    close: async () => {
      client.destroy()
      if (child.exitCode !== null) return
      const ended = new Promise((resolve) => child.once('exit', resolve))
      child.kill('SIGKILL')
      await ended
    },
  }
}

/** Kept outside of the checkout, since it takes half a minute; one installs, the others wait. */
async function installed(): Promise<string> {
  const folder = join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry-tests', 'moto-5')
  const program = join(folder, 'bin/python3')
  const server = join(folder, 'bin/moto_server')
  if (existsSync(server)) return server
  mkdirSync(join(folder, '..'), { recursive: true })
  // a virtual environment knows its own path: it is made in place, and taken away where it did not become whole
  const lock = `${folder}.lock`
  for (let tries = 0; ; tries++) {
    try {
      mkdirSync(lock)
      break
    } catch {
      if (existsSync(server)) return server
      if (tries > 600) throw new Error(`somebody has been installing moto for ever; remove ${lock}`)
      await sleep(500)
    }
  }
  try {
    rmSync(folder, { recursive: true, force: true })
    await run('python3', ['-m', 'venv', folder])
    await run(program, ['-m', 'pip', 'install', '--quiet', 'moto[server,s3]>=5,<6'], { maxBuffer: 1 << 24 })
  } finally {
    rmSync(lock, { recursive: true, force: true })
  }
  return server
}
