/** `npm pack` → a package that installs elsewhere and serves a folder. */
import { execFileSync, spawn } from 'node:child_process'
import { cpSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the package installs elsewhere and serves a folder', { timeout: 240_000 }, async () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-package-'))
  const backend = createServer((_, response) => response.end('hello from elsewhere'))
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  try {
    execFileSync('npm', ['run', '--silent', 'build'], { cwd: root })
    const packed: unknown = JSON.parse(
      execFileSync('npm', ['pack', '--json', '--silent', '--pack-destination', folder], {
        cwd: root,
        encoding: 'utf8',
      }),
    )
    const file = (packed as { filename: string }[])[0]?.filename ?? ''
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', `./${file}`], { cwd: folder })

    const config = join(folder, 'config')
    cpSync(join(root, 'examples/express-gateway/models'), join(config, 'models'), { recursive: true })
    writeFileSync(join(config, 'system.config.yml'), 'db: { redis: { emulate: true } }\n')
    const { port } = backend.address() as AddressInfo
    writeFileSync(
      join(config, 'gateway.config.yml'),
      `http: { port: 0, hostname: 127.0.0.1 }
apiEndpoints: { all: { host: '*' } }
serviceEndpoints: { backend: { url: 'http://127.0.0.1:${port}' } }
policies: [proxy]
pipelines: { all: { apiEndpoints: [all], policies: [{ proxy: [{ action: { serviceEndpoint: backend } }] }] } }
`,
    )
    const gateway = spawn('npx', ['--no-install', 'gantry', 'run', config, '--log-format', 'json'], {
      cwd: folder,
      stdio: ['ignore', 'ignore', 'pipe'],
      detached: true,
    })
    const url = await listening(gateway.stderr)
    expect(await (await fetch(url)).text()).toBe('hello from elsewhere')
    const ended = new Promise((resolve) => gateway.once('exit', resolve))
    process.kill(-(gateway.pid ?? 0), 'SIGTERM')
    await ended

    writeFileSync(
      join(folder, 'plugin.mts'),
      `import type { GatewayPlugin } from 'gantry/plugin'\nexport const plugin: GatewayPlugin = { version: '1.0.0', init: () => undefined }\n`,
    )
    const compiler = join(root, 'node_modules/typescript/bin/tsc')
    const types = [
      '--noEmit',
      '--strict',
      '--skipLibCheck',
      '--module',
      'NodeNext',
      '--target',
      'ES2023',
      '--types',
      'node',
      '--typeRoots',
      join(root, 'node_modules/@types'),
    ]
    execFileSync(process.execPath, [compiler, ...types, 'plugin.mts'], { cwd: folder, stdio: 'pipe' })
  } finally {
    backend.close()
    rmSync(folder, { recursive: true, force: true })
  }
})

/** The URL of the first listener, from the JSON log. */
function listening(stream: NodeJS.ReadableStream): Promise<string> {
  return new Promise((resolve, reject) => {
    let text = ''
    stream.on('data', (chunk: Buffer) => {
      text += chunk.toString()
      const line = text
        .split('\n')
        .find((candidate) => candidate.includes('"gantry/listening"') && candidate.endsWith('}'))
      if (line !== undefined) resolve((JSON.parse(line) as { url: string }).url)
    })
    stream.on('end', () => reject(new Error(`the gateway ended: ${text}`)))
  })
}
