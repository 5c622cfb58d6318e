/** `gantry run --workers 2`: one port, one count, keys that every worker knows, metrics of all. */
import { spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('two workers serve one folder', { timeout: 120_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-workers-'))
  cpSync(join(root, 'examples/express-gateway/models'), join(folder, 'models'), { recursive: true })
  writeFileSync(join(folder, 'system.config.yml'), 'db: { redis: { emulate: true } }\n')
  writeFileSync(
    join(folder, 'gateway.config.yml'),
    `http: { port: 0, hostname: 127.0.0.1 }
admin: { port: 0, host: 127.0.0.1 }
apiEndpoints: { counted: { host: '*', paths: /counted }, guarded: { host: '*', paths: /guarded } }
policies: [key-auth, rate-limit, terminate]
pipelines:
  counted: { apiEndpoints: [counted], policies: [{ rate-limit: [{ action: { max: 30, windowMs: 600000, delayAfter: 0 } }] }, { terminate: [{ action: { statusCode: 200 } }] }] }
  guarded: { apiEndpoints: [guarded], policies: [{ key-auth: }, { terminate: [{ action: { statusCode: 200 } }] }] }
`,
  )
  const args = [
    '--import',
    'tsx',
    join(root, 'src/bin/gantry.ts'),
    'run',
    folder,
    '--workers',
    '2',
    '--log-format',
    'json',
  ]
  const child = spawn(process.execPath, args, { cwd: root, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let printed = ''
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  try {
    const ready = await Promise.race([
      new Promise<{ addresses: { url: string }[]; admin: string }>((resolve) =>
        child.once('message', resolve as () => void),
      ),
      exited,
    ])
    if (ready === null || typeof ready === 'number') throw new Error(`the gateway ended: ${printed}`)
    const url = ready.addresses[0]?.url ?? ''

    const statuses = await Promise.all(
      Array.from(
        { length: 60 },
        async () => (await fetch(`${url}/counted`, { headers: { Connection: 'close' } })).status,
      ),
    )
    expect(statuses.filter((status) => status === 200)).toHaveLength(30)
    expect(statuses.filter((status) => status === 429)).toHaveLength(30)

    const post = (path: string, body: unknown): Promise<Response> =>
      fetch(`${ready.admin}${path}`, {
        method: 'POST',
        headers: { 'Content-Type': 'application/json' },
        body: JSON.stringify(body),
      })
    expect((await post('/users', { username: 'u', firstname: 'a', lastname: 'b' })).status).toBe(200)
    expect(
      (await post('/credentials', { consumerId: 'u', type: 'key-auth', credential: { keyId: 'k', keySecret: 's' } }))
        .status,
    ).toBe(200)
    const guarded = await Promise.all(
      Array.from(
        { length: 20 },
        async () =>
          (await fetch(`${url}/guarded`, { headers: { Connection: 'close', Authorization: 'apiKey k:s' } })).status,
      ),
    )
    expect(new Set(guarded)).toEqual(new Set([200]))

    const metrics = await (await fetch(`${ready.admin}/metrics`)).text()
    expect(metrics).toMatch(/^gantry_requests_total 80$/m)
    child.kill('SIGTERM')
    expect(await exited).toBe(0)
  } finally {
    child.kill('SIGKILL')
    rmSync(folder, { recursive: true, force: true })
  }
})
