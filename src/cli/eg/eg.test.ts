/** `eg` against a real Admin API: what it prints where, and how it exits; new gateways and plugins on disk. */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { expressGatewayAdmin } from '../../admin/express-gateway/admin.ts'
import { type AdminServer, openAdmin } from '../../admin/server.ts'
import { type Consumers, createConsumers } from '../../consumers/consumers.ts'
import { memoryStore } from '../../consumers/memory.ts'
import type { ModelFiles } from '../../consumers/models.ts'
import { runEg } from './program.ts'

let consumers: Consumers
let server: AdminServer
beforeAll(async () => {
  const models = Object.fromEntries(
    ['users', 'applications', 'credentials'].map((name) => {
      const path = join(import.meta.dirname, `../../../examples/express-gateway/models/${name}.json`)
      return [name, JSON.parse(readFileSync(path, 'utf8')) as unknown]
    }),
  ) as unknown as ModelFiles
  consumers = createConsumers({ store: memoryStore(), models, crypto: { saltRounds: 4 } })
  const handler = expressGatewayAdmin({
    answers: 'original',
    consumers: () => consumers,
    configuration: () => undefined,
    schemas: () => [],
    check: () => Promise.resolve([]),
    settled: () => Promise.resolve(),
  })
  server = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [handler], token: 'x'.repeat(16) })
})
afterAll(async () => {
  await server.close()
  await consumers.close()
})

async function eg(line: string, more: NodeJS.ProcessEnv = {}, refusals: 'zero' | 'one' = 'zero') {
  const said = { out: '', error: '' }
  const environment = { EG_ADMIN_URL: `${server.url}/`, GANTRY_ADMIN_TOKEN: 'x'.repeat(16), ...more }
  const code = await runEg(line.split(' '), {
    refusals,
    environment,
    out: (text) => (said.out += text),
    error: (text) => (said.error += text),
  })
  return { ...said, code }
}

describe('consumers', () => {
  it('does what the original does, with its words', async () => {
    const created = await eg('users create -p username=c1 -p firstname=A -p lastname=B')
    expect(JSON.parse(created.out)).toMatchObject({ username: 'c1', isActive: true })
    expect(created.error).toMatch(/^✔ Created [0-9a-f-]{36}\n$/)
    expect((await eg('users info c1 -q')).out).toMatch(/^[0-9a-f-]{36}\n$/)
    expect((await eg('user list -q')).out).toBe('c1\n')
    expect(await eg('users create -p oops')).toMatchObject({
      out: '',
      error: '✖ invalid property option: oops\n',
      code: 1,
    })
    expect((await eg('users update c1 -p firstname=Z')).error).toBe('✔ Updated c1\n')
    expect((await eg('users update none -p firstname=Z')).error).toBe('✖ User not found: none\n')
    expect((await eg('users deactivate c1')).error).toBe('✔ Deactivated c1\n')
    expect((await eg('users activate c1 none')).error).toBe('✔ Activated c1\n✖ user not found: none\n')

    const app = (await eg('apps create -u c1 -p name=capp -q')).out.trim()
    expect(JSON.parse((await eg('apps list')).out)).toMatchObject({ id: app, name: 'capp' })
    expect((await eg(`apps update ${app} -p name=new -q`)).out).toBe(`${app}\n`)
    expect((await eg('app update none -p name=x')).error).toBe('✖ App not found: none\n')
    expect((await eg('apps create -p name=x')).code).toBe(1)

    expect((await eg('scopes list')).out).toBe('You have no scopes\n')
    expect((await eg('scopes create sr sw -q')).out).toBe("[ 'sr', 'sw' ]\n")
    expect((await eg('scope info sr')).out).toBe('sr\n')
    expect((await eg('scopes remove sw -q')).out).toBe('sw\n')

    expect((await eg('credentials create -c c1 -t key-auth -p scopes=sr -q')).out).toMatch(/^\w{22}:\w{22}\n$/)
    expect((await eg('credentials create -c c1 -t basic-auth -q')).out).toMatch(/^[0-9a-f-]{36}:[0-9a-f-]{36}\n$/)
    expect((await eg('credentials create -c new -t oauth2 -q')).out).toBe('')
    expect((await eg('credentials create -c c1 -t key-auth -p keyId=ck -p keySecret=cs')).error).toBe('✔ Created ck\n')
    expect((await eg('credentials deactivate -t key-auth ck -q')).out).toBe("[ 'ck' ]\n")
    expect((await eg('credentials list -c c1 -f archived -q')).out).toBe('ck\n')
    expect((await eg('credentials list -q')).out.trim().split('\n')).toHaveLength(3)
    expect((await eg('credentials list -c nobody')).error).toBe('✖ Consumer nobody has no credentials\n')
    expect(JSON.parse((await eg('credentials info ck -t key-auth')).out)).toMatchObject({ isActive: false })
    expect(await eg('credentials info none -t key-auth')).toEqual({ out: '', error: '', code: 0 })
    expect((await eg('credential:scopes add -t key-auth --id ck sr')).error).toBe('✔ Scope sr added to ck\n')
    expect((await eg('credential:scope add -t key-auth --keyid ck no')).error).toMatch(
      /^✖ Error adding scope no : One or more/,
    )
    expect((await eg('credential:scopes set -t key-auth --id ck sr')).error).toBe('✔ Scopes sr set for ck\n')
    expect((await eg('credential:scopes remove -t key-auth --id ck sr')).error).toBe('✔ Scope sr removed from ck\n')

    const { token } = await consumers.tokens.findOrSave('access_token', { consumerId: 'x' }, 10_000)
    expect((await eg(`tokens revoke ${token}`)).error).toBe(`✔ Access token has been revoked: ${token}\n`)
    expect((await eg(`tokens revoke ${token}`)).error).toBe('✖ Internal Server Error\n')
    expect((await eg('users rm c1')).error).toBe('✔ Removed c1\n')
  })

  it('exits as the original where the API says no, and truthfully where that is asked for', async () => {
    expect(await eg('users info nope')).toEqual({ out: '', error: '✖ Not Found\n', code: 0 })
    expect((await eg('users info nope --strict')).code).toBe(1)
    expect((await eg('users info nope', { GANTRY_STRICT: '1' })).code).toBe(1)
    expect((await eg('users info nope', {}, 'one')).code).toBe(1)
    expect((await eg('users list', { GANTRY_ADMIN_TOKEN: 'wrong' })).error).toMatch(/^✖ .*token/s)
  })

  it('exits with 1 for what it cannot do at all', async () => {
    const away = await eg('users list', { EG_ADMIN_URL: 'http://127.0.0.1:1' })
    expect(away.code).toBe(1)
    expect(away.error).toMatch(/^✖ the Admin API at http:\/\/127\.0\.0\.1:1 cannot be reached/)
    for (const line of ['users foo', 'nothing', 'users info', 'users list --what']) {
      const { code, error } = await eg(line)
      expect(code).toBe(1)
      expect(error).toMatch(/^error: /)
    }
    expect((await eg('--version')).out).toMatch(/^\d+\.\d+\.\d+/)
    expect((await eg('users --help')).code).toBe(0)
  })

  it('shows the requests, and sends the headers it is given', async () => {
    expect((await eg('users list -v -H x:y')).out).toMatch(/^HTTP {2}GET {5}200 http:.*\/users\?start=0 \(\d+ms\)\n/)
  })
})

describe('files', () => {
  it('writes a gateway that knows its models, with secrets of its own', async () => {
    const folder = join(mkdtempSync(join(tmpdir(), 'gantry-eg-')), 'shop')
    const { code } = await eg(`gateway create -n shop -t getting-started -d ${folder} --no-install -q`)
    expect(code).toBe(0)
    expect(readFileSync(join(folder, 'config/gateway.config.yml'), 'utf8')).toContain('https://httpbin.org')
    expect(readFileSync(join(folder, 'config/system.config.yml'), 'utf8')).not.toMatch(/keyboard cat|sensitiveKey/)
    expect(JSON.parse(readFileSync(join(folder, 'config/models/users.json'), 'utf8'))).toHaveProperty(
      'properties.username',
    )
    expect((await eg(`gateway create -n shop -d ${folder} --no-install`)).error).toMatch(/^✖ .* is not empty/)
    expect((await eg('gateway create -n Bad/Name --no-install')).code).toBe(1)
    rmSync(join(folder, '..'), { recursive: true })
  })

  it('configures a plugin that is installed, and leaves the rest of the files alone', async () => {
    const root = mkdtempSync(join(tmpdir(), 'gantry-eg-'))
    const package_ = join(root, 'node_modules/express-gateway-plugin-demo')
    mkdirSync(package_, { recursive: true })
    mkdirSync(join(root, 'config'))
    writeFileSync(join(root, '.yo-rc.json'), '{}')
    writeFileSync(
      join(package_, 'index.js'),
      "module.exports = { version: '1.0.0', policies: ['demo'], init() {}, options: { level: { type: 'number', required: true } } }",
    )
    const system = join(root, 'config/system.config.yml')
    const gateway = join(root, 'config/gateway.config.yml')
    writeFileSync(system, '# ours\ndb: {redis: {emulate: true}} # memory\n')
    writeFileSync(
      gateway,
      'policies: [proxy] # few\nhttp: {port: ${PORT}}\n'.replace(
        'http: {port: ${PORT}}',
        'http:\n  port: ${PORT:-8080}',
      ),
    )
    const before = process.cwd()
    process.chdir(root)
    try {
      const inFolder = { EG_CONFIG_DIR: join(root, 'config') }
      expect((await eg('plugins configure nothing', inFolder)).error).toBe('✖ Plugin not installed: nothing\n')
      expect((await eg('plugins configure demo', inFolder)).error).toBe('✖ the plugin needs a setting: -o level=…\n')
      expect((await eg('plugins configure demo -o level=3 -g', inFolder)).out).toBe('Plugin configured!\n')
      expect(readFileSync(system, 'utf8')).toBe(
        '# ours\ndb: {redis: {emulate: true}} # memory\nplugins:\n  demo:\n    package: express-gateway-plugin-demo\n    level: 3\n',
      )
      expect(readFileSync(gateway, 'utf8')).toBe('policies: [proxy, demo] # few\nhttp:\n  port: ${PORT:-8080}\n')
      expect((await eg('plugins list -q', inFolder)).out).toBe('demo\n')
      expect((await eg('plugins disable demo', inFolder)).error).toBe('✔ Disabled demo\n')
      expect((await eg('plugins disable demo', inFolder)).code).toBe(1)
      expect((await eg('plugin enable demo', inFolder)).error).toBe('✔ Enabled demo\n')
    } finally {
      process.chdir(before)
      rmSync(root, { recursive: true })
    }
  })
})
