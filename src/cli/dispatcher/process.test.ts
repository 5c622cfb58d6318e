/** `dispatcher` as a process: prints and writes nothing, refuses, serves with both targets, drains. */
import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import {
  filesOf,
  get,
  makeRoom,
  type Room,
  type Running,
  runToEnd,
  startPods,
  startServing,
  until,
} from './testing/process.ts'

let room: Room
let pods: { readonly port: number; stop(): Promise<void> }
let running: Running | undefined
beforeEach(async () => {
  room = makeRoom()
  pods = await startPods()
})
afterEach(async () => {
  await running?.stop()
  running = undefined
  await pods.stop()
  room.remove()
})
const at = (basePath: string, more: object = {}): object => ({ basePath, containerPort: String(pods.port), ...more })

describe('outside of a cluster', { timeout: 180_000 }, () => {
  test.each([
    ['engine', /route/],
    ['model', /route/],
    ['nginx', /server_name shop\.test;/],
  ] as const)('--target %s prints, writes nothing, and ends with 0', async (target, printed) => {
    room.write({ 'shop.test': {} }, [at('/a')])
    const rooms = (): readonly string[] => readdirSync(tmpdir()).filter((name) => name.startsWith('dispatcher-'))
    const before = filesOf(room.folder)
    const others = rooms()
    const { code, stdout } = await runToEnd(['--target', target, room.yaml], room.environment)
    expect([code, stdout]).toEqual([0, expect.stringMatching(printed)])
    expect(filesOf(room.folder)).toEqual(before)
    expect(rooms().filter((name) => !others.includes(name))).toEqual([])
    // nobody needs a cluster to be told so
    expect(stdout).toContain('shop.test')
  })

  test('secrets are not printed', async () => {
    const secret = {
      kind: 'Secret',
      metadata: { name: 'routing', namespace: 'shop' },
      stringData: { 'api-key': 'hush' },
    }
    room.write({ 'shop.test': {} }, [at('/a')], [secret])
    const { code, stdout, stderr } = await runToEnd(['--target', 'model', room.yaml], room.environment)
    expect(code).toBe(0)
    expect(stdout).toContain('shared-key')
    expect(stdout + stderr).not.toContain(Buffer.from('hush').toString('base64'))
  })

  test('where there is no cluster it says so', async () => {
    const { code, stdout, stderr } = await runToEnd(['--kubeconfig', join(room.folder, 'none')], room.environment)
    expect([code, stdout]).toEqual([1, ''])
    expect(stderr).toMatch(/^dispatcher: there is no cluster to read: .*ENOENT/)
  })

  test('where nothing names a cluster it prints the configuration of no Pods', async () => {
    const { code, stdout, stderr } = await runToEnd(['--target', 'nginx'], room.environment)
    expect([code, stderr]).toEqual([
      0,
      'warning: no cluster: no kubeconfig, not in a Pod; printing the configuration of no Pods\n',
    ])
    expect(stdout).toContain('/dispatcher/status')
    // whoever wants to serve wants to serve something
    const serving = await runToEnd(['--serve'], { ...room.environment, GANTRY_ADMIN_PORT: 'off' })
    expect([serving.code, serving.stderr.split('\n')[0]]).toEqual([
      1,
      'dispatcher: there is no cluster to read: no cluster: no kubeconfig, not in a Pod',
    ])
  })

  test('a folder that is not there is refused; one in which nothing is routed is told', async () => {
    const none = join(room.folder, 'none')
    const { code, stdout, stderr } = await runToEnd([none], room.environment)
    expect([code, stdout, stderr.split('\n')[0]]).toEqual([2, '', `dispatcher: there is no folder ${none}`])
    room.write({ 'shop.test': {} }, [at('/a')])
    const said = async (name: string): Promise<string> => {
      const ended = await runToEnd([room.yaml], { ...room.environment, [name]: 'another' })
      expect(ended.code).toBe(0)
      return ended.stderr
    }
    expect(await said('HOSTS_ANNOTATION')).toBe(
      'warning: none of 1 Namespaces has the annotation another: nothing is routed\n',
    )
    expect(await said('PATHS_ANNOTATION')).toBe(
      'warning: none of 1 Pods has the annotation another: nothing is routed\n',
    )
    expect(await said('ROUTABLE_LABEL_SELECTOR')).toMatch(/^warning: no Namespace in .* has the label another: nothing/)
  })

  test.each([
    ['GANTRY_ADMIN_ADDRESS', '0.0.0.0', 'on 0.0.0.0 everybody could ask'],
    ['GANTRY_ADMIN_PORT', 'x', '"x" is not a port'],
    ['GANTRY_ADMIN_PORT', '65536', '"65536" is not a port'],
    ['GANTRY_LOG_LEVEL', 'loud', '"loud" is not a level'],
  ])('%s=%s is refused', async (name, value, why) => {
    const { code, stderr } = await runToEnd([room.yaml], { ...room.environment, [name]: value })
    expect([code, stderr]).toEqual([1, expect.stringContaining(`invalid configuration: ${name}: ${why}`)])
  })

  test('--version prints it', async () => {
    const { code, stdout } = await runToEnd(['--version'], {})
    expect([code, stdout]).toEqual([0, expect.stringMatching(/^\d+\.\d+\.\d+\S*\n$/)])
  })

  test('a wrong environment is refused before anything else, with its name', async () => {
    const { code, stderr } = await runToEnd(['--serve', room.yaml], { ...room.environment, PORT: '0' })
    expect(code).toBe(1)
    expect(stderr).toMatch(/^invalid configuration: PORT: 0 is not a port\./)
    expect((await runToEnd(['--target', 'apache'], room.environment)).code).toBe(2)
    expect((await runToEnd(['--serve', '--target', 'model'], room.environment)).code).toBe(2)
  })

  test('--help names every variable with its default', async () => {
    const { code, stdout } = await runToEnd(['--help'], {})
    expect(code).toBe(0)
    for (const word of [
      'API_KEY_SECRET_NAME',
      '(routing)',
      'NGINX_STATUS_PATH',
      '(/dispatcher/status)',
      'SSL_CERT_DIR',
      'GANTRY_ADMIN_PORT',
    ])
      expect(stdout).toContain(word)
  })
})

describe.each(['engine', 'nginx'] as const)('--serve --target %s', { timeout: 180_000 }, (target) => {
  test('serves, follows, explains, drains', async () => {
    room.write({ 'shop.test': {} }, [at('/a'), at('~ ^/re[0-9]')])
    running = await startServing(['--target', target, room.yaml], room.environment)
    const { port } = running
    expect(await get(port, 'shop.test', '/a')).toEqual([200, '127.6.0.1'])
    expect(await get(port, 'shop.test', '/re7')).toEqual([200, '127.6.0.1'])
    expect((await get(port, 'shop.test', '/b'))[0]).toBe(404)
    expect((await get(port, 'other.test', '/a'))[0]).toBe(0)
    expect((await get(port, 'other.test', '/dispatcher/status'))[0]).toBe(200)
    expect(await running.metric('gantry_configuration_stale')).toBe(0)
    const { listeners } = (await running.admin('/gantry/status')) as { listeners: readonly { readonly url: string }[] }
    expect(listeners.map(({ url }) => url)).toContain(`http://localhost:${port}`)
    const said = await running.admin('/gantry/explain?url=http://shop.test/re7')
    expect(said).toMatchObject({ route: { id: 'pods/shop.test/~ ^/re[0-9]' } })
    if (target === 'nginx') expect(said).toMatchObject({ served: { by: 'engine', why: 'it matches by an expression' } })

    room.write({ 'shop.test': {} }, [at('/b')])
    await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
    await until(async () => (await get(port, 'shop.test', '/a'))[0] === 404)

    // an answer that takes longer than the signal is still given
    const slow = get(port, 'shop.test', '/b/slow')
    await new Promise((done) => setTimeout(done, 300))
    running.signal('SIGTERM')
    expect(await slow).toEqual([200, '127.6.0.1'])
    const { code, stderr } = await running.ended
    expect([code, stderr]).toEqual([0, expect.stringContaining('dispatcher/stopping')])
    expect((await get(port, 'shop.test', '/b'))[0]).toBe(0)
    if (target === 'nginx') {
      // nothing of it is left behind
      const file = join(room.folder, 'nginx/nginx.pid')
      const pid = existsSync(file) ? readFileSync(file, 'utf8').trim() : ''
      expect(pid === '' || !existsSync(`/proc/${pid}`)).toBe(true)
    }
  })

  test('new connections are refused while it drains', async () => {
    room.write({ 'shop.test': {} }, [at('/')])
    running = await startServing(['--target', target, room.yaml], room.environment)
    const { port } = running
    const slow = get(port, 'shop.test', '/slow')
    await new Promise((done) => setTimeout(done, 300))
    running.signal('SIGTERM')
    await until(async () => (await get(port, 'shop.test', '/'))[0] === 0)
    expect((await slow)[0]).toBe(200)
    expect((await running.ended).code).toBe(0)
  })
})
