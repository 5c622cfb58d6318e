/** A gateway that runs, and what goes wrong around it: consumers that change, wrong files, a taken port, plugins, a Redis that comes back empty. */
import { spawn, type ChildProcess } from 'node:child_process'
import { mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { freePort } from './servers/port.ts'
import { startRedis, type RedisServer } from './servers/redis.ts'

const root = fileURLToPath(new URL('..', import.meta.url))
const patience = { timeout: 30_000, interval: 50 }

let folder: string
let redis: RedisServer
let child: ChildProcess
let exited: Promise<number | null>
let printed = ''
let port: number
let admin: string

const gateway = (more: { readonly port?: number; readonly open?: string } = {}): string => `
http: { port: ${more.port ?? port}, hostname: 127.0.0.1 }
admin: { port: 0, host: 127.0.0.1 }
policies: [key-auth, terminate, thrower]
apiEndpoints: { open: { paths: /open }, keyed: { paths: /keyed }, thrown: { paths: /thrown } }
pipelines:
  open: { apiEndpoints: [open], policies: [{ terminate: { action: { statusCode: 200, message: ${more.open ?? 'open'} } } }] }
  keyed: { apiEndpoints: [keyed], policies: [{ key-auth: {} }, { terminate: { action: { statusCode: 200, message: in } } }] }
  thrown: { apiEndpoints: [thrown], policies: [{ thrower: {} }] }
`

function write(name: string, text: string): void {
  // at once, as editors and deployments do it
  writeFileSync(join(folder, `${name}.new`), text)
  renameSync(join(folder, `${name}.new`), join(folder, name))
}

const consumers = (secret: string): string =>
  `module.exports = { scopes: [], users: { acme: { till: { credential: { type: 'key-auth', keyId: 'k', keySecret: '${secret}' } } } } }\n`

async function ask(path: string, key?: string): Promise<number> {
  const headers: Record<string, string> = key === undefined ? {} : { authorization: `apiKey ${key}` }
  const answer = await fetch(`http://127.0.0.1:${port}${path}`, { headers })
  await answer.text()
  return answer.status
}

async function codes(): Promise<readonly string[]> {
  const found = (await (await fetch(`${admin}/gantry/diagnostics`)).json()) as { severity: string; code: string }[]
  return found.filter(({ severity }) => severity === 'error').map(({ code }) => code)
}

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-trouble-'))
  redis = await startRedis()
  port = await freePort()
  mkdirSync(join(folder, 'own'))
  writeFileSync(
    join(folder, 'own/thrower.cjs'),
    `module.exports = { version: '1.2.0', init: (ctx) => ctx.registerPolicy({ name: 'thrower', policy: () => () => { throw new Error('boom') } }) }\n`,
  )
  write(
    'system.config.yml',
    `db: { redis: { host: 127.0.0.1, port: ${redis.port} } }
plugins: { populate: { package: ./plugins/populate.js }, thrower: { package: ./own/thrower.cjs } }
`,
  )
  write('gateway.config.yml', gateway())
  write('consumers.config.js', consumers('one'))
  const words = ['--import', 'tsx', join(root, 'src/bin/gantry.ts'), 'run', folder, '--log-format', 'json']
  child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  exited = new Promise((resolve) => child.once('exit', resolve))
  const ready = await Promise.race([
    new Promise<{ admin: string }>((resolve) => child.once('message', resolve as () => void)),
    exited,
  ])
  if (ready === null || typeof ready === 'number') throw new Error(`the gateway ended: ${printed}`)
  admin = ready.admin
}, 120_000)

afterAll(async () => {
  child.kill('SIGTERM')
  const code = await exited
  await redis.close()
  rmSync(folder, { recursive: true, force: true })
  expect(code).toBe(0)
}, 30_000)

test('consumers are populated at start, and again when their file changes', { timeout: 60_000 }, async () => {
  expect(await ask('/keyed', 'k:one')).toBe(200)
  expect(await ask('/keyed', 'k:two')).toBe(401)
  write('consumers.config.js', consumers('two'))
  await expect.poll(() => ask('/keyed', 'k:two'), patience).toBe(200)
  expect(await ask('/keyed', 'k:one')).toBe(401)
  // a file that is wrong touches nobody
  write('consumers.config.js', 'module.exports = { users: { acme: { till: {} } } }\n')
  await expect.poll(() => printed.includes('populate/'), patience).toBe(true)
  expect(await ask('/keyed', 'k:two')).toBe(200)
  write('consumers.config.js', consumers('two'))
})

test('a plugin that throws costs its own requests', async () => {
  expect(await ask('/thrown')).toBe(500)
  expect(await ask('/open')).toBe(200)
})

test('a wrong file, and one that vanishes, are refused; what was good serves on', { timeout: 90_000 }, async () => {
  for (const [text, code] of [
    ['{er: t4', /^express-gateway\//],
    [gateway().replace('admin:', 'http: { port: 1 }\nadmin:'), /^express-gateway\//],
    [gateway().replace('statusCode: 200', 'statusCode: many'), /policy-parameters$/],
    [gateway().replace('{ key-auth: {} }', '{ proxy: {} }'), /policy-not-declared$/],
  ] as const) {
    write('gateway.config.yml', text)
    await expect.poll(async () => (await codes()).some((found) => code.test(found)), patience).toBe(true)
    expect([await ask('/open'), await ask('/keyed', 'k:two')]).toEqual([200, 200])
    write('gateway.config.yml', gateway())
    await expect.poll(codes, patience).toEqual([])
  }
  renameSync(join(folder, 'gateway.config.yml'), join(folder, 'gone'))
  await expect.poll(async () => (await codes()).length, patience).toBeGreaterThan(0)
  expect(await ask('/open')).toBe(200)
  renameSync(join(folder, 'gone'), join(folder, 'gateway.config.yml'))
  await expect.poll(codes, patience).toEqual([])
})

test('a port that is taken is refused; where it was, it serves on', { timeout: 60_000 }, async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  write('gateway.config.yml', gateway({ port: (other.address() as AddressInfo).port }))
  await expect.poll(codes, patience).toEqual(['engine/cannot-listen'])
  expect(await ask('/open')).toBe(200)
  other.close()
  write('gateway.config.yml', gateway())
  await expect.poll(codes, patience).toEqual([])
})

test(
  'a Redis that is gone is 503 for who needs it; come back empty, it is populated again',
  { timeout: 90_000 },
  async () => {
    await redis.stop()
    await expect.poll(() => ask('/keyed', 'k:two'), patience).toBe(503)
    const began = performance.now()
    expect([await ask('/keyed', 'k:two'), await ask('/open')]).toEqual([503, 200])
    expect(performance.now() - began).toBeLessThan(5000)
    await redis.start()
    await expect.poll(() => ask('/keyed', 'k:two'), patience).toBe(200)
    expect(printed).toContain('store/empty')
  },
)
