/** Each folder beside this file is an example that runs: gateway.config.yml, and the requests that requests.yml promises. */
import { spawn, type ChildProcess } from 'node:child_process'
import { readdirSync, readFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import { mkdtemp, cp, rm } from 'node:fs/promises'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parse } from 'yaml'
import { defaultModels } from '../../src/sources/express-gateway/models.ts'

const here = fileURLToPath(new URL('.', import.meta.url))
const root = join(here, '../..')
const examples = readdirSync(here, { withFileTypes: true })
  .filter((entry) => entry.isDirectory() && entry.name !== 'models')
  .map((entry) => entry.name)

interface Promised {
  readonly request: string
  readonly send?: Readonly<Record<string, string>>
  readonly with?: string
  readonly status: number
  readonly body?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly missing?: readonly string[]
}

let service: Server
beforeAll(async () => {
  service = createServer((request, response) => {
    let body = ''
    request.setEncoding('utf8').on('data', (piece: string) => (body += piece))
    request.on('end', () => {
      const { method, url, headers } = request
      response.setHeader('content-type', 'application/json').setHeader('x-service', 'echo')
      response.end(JSON.stringify({ method, url, headers, body }))
    })
  })
  await new Promise<void>((resolve) => service.listen(0, '127.0.0.1', resolve))
})
afterAll(() => {
  service.closeAllConnections()
  service.close()
})

it('has the models that a folder without models gets', () => {
  for (const [name, model] of Object.entries(defaultModels)) {
    expect(JSON.parse(readFileSync(join(here, 'models', `${name}.json`), 'utf8'))).toEqual(model)
  }
})

describe.each(examples)('%s', (name) => {
  let gateway: ChildProcess
  let port = 0
  let folder = ''

  beforeAll(async () => {
    folder = await mkdtemp(join(tmpdir(), 'gantry-example-'))
    await cp(join(here, name), folder, { recursive: true })
    const address = service.address() as AddressInfo
    const program = ['--import', 'tsx', join(root, 'src/bin/gantry.ts'), 'run', folder]
    const environment = { ...process.env, PORT: '0', SERVICE: `http://127.0.0.1:${address.port}`, NODE_OPTIONS: '' }
    gateway = spawn(process.execPath, program, {
      cwd: root,
      env: environment,
      stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
    })
    let log = ''
    gateway.stderr?.setEncoding('utf8').on('data', (piece: string) => (log += piece))
    port = await new Promise<number>((resolve, reject) => {
      gateway.once('exit', () => reject(new Error(`the gateway ended:\n${log}`)))
      gateway.on('message', (message: { readonly addresses?: readonly { readonly url: string }[] }) => {
        const url = message.addresses?.[0]?.url
        if (url !== undefined) resolve(Number(new URL(url).port))
      })
    })
  }, 60_000)

  afterAll(async () => {
    const ended = new Promise((resolve) => gateway.once('exit', resolve))
    gateway.kill('SIGTERM')
    await ended
    await rm(folder, { recursive: true, force: true })
  })

  it('keeps its promises', async () => {
    const promised = parse(readFileSync(join(here, name, 'requests.yml'), 'utf8')) as readonly Promised[]
    for (const promise of promised) {
      const answer = await ask(port, promise)
      expect([promise.request, answer.status]).toEqual([promise.request, promise.status])
      if (promise.body !== undefined) expect(answer.body).toContain(promise.body)
      expect(answer.headers).toMatchObject(promise.headers ?? {})
      for (const header of promise.missing ?? []) expect(answer.headers).not.toHaveProperty(header)
    }
  })
})

function ask(
  port: number,
  promise: Promised,
): Promise<{ readonly status: number; readonly headers: IncomingHttpHeaders; readonly body: string }> {
  const [method, path] = promise.request.split(' ')
  return new Promise((resolve, reject) => {
    const options = { host: '127.0.0.1', port, method, path, headers: { ...promise.send }, agent: false }
    const asked = httpRequest(options, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    asked.once('error', reject)
    asked.end(promise.with)
  })
}
