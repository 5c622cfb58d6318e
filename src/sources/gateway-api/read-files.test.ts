/** A folder that changes under us; files that Secrets name; endpoints.yml; real certificates. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, mkdirSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { readFiles, recogniseFolder } from './read-files.ts'
import type { World } from './resources.ts'
import { createTranslator } from './translate.ts'

const api = 'apiVersion: gateway.networking.k8s.io/v1'
const gateway = `${api}\nkind: Gateway\nmetadata: {name: web}\nspec: {gatewayClassName: any, listeners: [{name: http, port: 8080, protocol: HTTP}]}\n`
const route = (path: string): string =>
  `${api}\nkind: HTTPRoute\nmetadata: {name: shop}\nspec: {parentRefs: [{name: web}], rules: [{matches: [{path: {value: ${path}}}], backendRefs: [{name: shop, port: 80}]}]}\n`

let folder: string
let abort: AbortController
let worlds: AsyncGenerator<World>

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-files-'))
  abort = new AbortController()
})
afterEach(async () => {
  abort.abort()
  await worlds?.return(undefined)
  rmSync(folder, { recursive: true, force: true })
})

const write = (name: string, text: string): void => writeFileSync(join(folder, name), text)
const next = async (): Promise<World> => (await worlds.next()).value as World
const start = (): Promise<World> => {
  worlds = readFiles(folder, abort.signal)
  return next()
}

describe('a folder', () => {
  test('a route that names a Gateway which is not there says so, with its line; in a cluster that is normal', async () => {
    write('gateway.yaml', gateway)
    write('endpoints.yml', 'shop: 127.0.0.1:3000\n')
    write('route.yaml', route('/a').replace('{name: web}', '{name: wbe}'))
    const world = await start()
    const unknown = { code: 'gateway-api/unknown-parent', severity: 'warning', hint: 'did you mean web?' }
    expect(createTranslator()(world).diagnostics).toMatchObject([
      { ...unknown, origin: { file: 'route.yaml', line: 4 } },
    ])
    const inCluster = createTranslator()({ ...world, place: { kind: 'cluster', trustBundles: true } })
    expect(inCluster.diagnostics).toEqual([])
  })

  test('an item of a List that is being written costs only itself', async () => {
    write('all.yaml', `apiVersion: v1\nkind: List\nitems:\n-\n`)
    write('gateway.yaml', gateway)
    const { objects, problems } = await start()
    expect(objects.Gateway).toHaveLength(1)
    expect(problems).toMatchObject([
      { code: 'gateway-api/refused', severity: 'error', origin: { file: 'all.yaml', line: 4 } },
    ])
  })

  test('is read again when a file changes, comes or goes; what did not change is the same object', async () => {
    write('gateway.yaml', gateway)
    write('route.yaml', route('/a'))
    write('endpoints.yml', 'shop: 127.0.0.1:3000\n')
    const first = await start()
    const translate = createTranslator()
    const served = translate(first)
    expect(served.diagnostics).toEqual([])
    expect(served.model.endpoints[0]?.addresses).toEqual([{ host: '127.0.0.1', port: 3000 }])

    write('route.yaml', route('/b'))
    const second = await next()
    expect(second.objects.Gateway[0]).toBe(first.objects.Gateway[0])
    expect(translate(second).model.routes[0]?.match.path).toEqual({ kind: 'prefix', value: '/b' })

    write('endpoints.yml', 'shop: [127.0.0.1:3000, "[::1]:3001"]\n')
    expect(translate(await next()).model.endpoints[0]?.addresses.map((each) => each.host)).toEqual(['127.0.0.1', '::1'])

    mkdirSync(join(folder, 'more'))
    writeFileSync(join(folder, 'more/route.yaml'), route('/c').replace('name: shop', 'name: more'))
    let world = await next()
    // the new folder may have been seen before its file was written
    while (world.objects.HTTPRoute.length < 2) world = await next()
    expect(translate(world).model.routes.length).toBe(2)

    rmSync(join(folder, 'route.yaml'))
    expect(translate(await next()).model.routes.length).toBe(1)
  })

  test('a file that is broken costs itself, and says where', async () => {
    write('gateway.yaml', gateway)
    write('broken.yaml', 'kind: [\n')
    write('endpoints.yml', 'shop: nowhere\n')
    const world = await start()
    expect(world.objects.Gateway.length).toBe(1)
    expect(world.problems.map((each) => [each.code, each.origin?.file, each.origin?.line])).toContainEqual([
      'gateway-api/endpoints',
      'endpoints.yml',
      1,
    ])
    expect(world.problems.some((each) => each.code === 'gateway-api/yaml' && each.origin?.file === 'broken.yaml')).toBe(
      true,
    )
  })

  test('a file that becomes wrong leaves what it said before, until it is right again or removed', async () => {
    write('gateway.yaml', gateway)
    write('route.yaml', route('/a'))
    write('endpoints.yml', 'shop: 127.0.0.1:3000\n')
    const translate = createTranslator()
    const served = (world: World): unknown => {
      const { model } = translate(world)
      return [
        world.stale ?? false,
        model.listeners.length,
        model.routes[0]?.match.path,
        model.endpoints[0]?.addresses[0]?.port,
      ]
    }
    const at = (value: string): unknown => ({ kind: 'prefix', value })
    expect(served(await start())).toEqual([false, 1, at('/a'), 3000])

    write('route.yaml', route('/b').slice(0, -20))
    let world = await next()
    expect([...(served(world) as unknown[]), world.problems[0]?.code]).toEqual([
      true,
      1,
      at('/a'),
      3000,
      'gateway-api/yaml',
    ])
    write('gateway.yaml', '')
    world = await next()
    expect([...(served(world) as unknown[]), world.problems[0]?.code]).toEqual([
      true,
      1,
      at('/a'),
      3000,
      'gateway-api/empty',
    ])
    write('endpoints.yml', 'shop: [\n')
    expect(served(await next())).toEqual([true, 1, at('/a'), 3000])
    write('route.yaml', route('3'))
    world = await next()
    expect(served(world)).toEqual([true, 1, at('/a'), 3000])
    expect(world.problems.map(({ code }) => code)).toContain('gateway-api/refused')

    write('route.yaml', route('/b'))
    expect(served(await next())).toEqual([true, 1, at('/b'), 3000])
    write('endpoints.yml', 'shop: 127.0.0.1:3001\n')
    expect(served(await next())).toEqual([true, 1, at('/b'), 3001])
    rmSync(join(folder, 'gateway.yaml'))
    world = await next()
    expect([world.stale ?? false, world.objects.Gateway.length]).toEqual([false, 0])
  })

  test('a folder that goes away leaves what it said, says so, and is followed again when it is back', async () => {
    write('gateway.yaml', gateway)
    write('route.yaml', route('/a'))
    write('endpoints.yml', 'shop: 127.0.0.1:3000\n')
    const first = await start()
    const away = `${folder}-away`
    renameSync(folder, away)
    const lost = await next()
    expect(lost.stale).toBe(true)
    expect(lost.problems).toEqual([
      {
        code: 'gateway-api/unreadable',
        severity: 'error',
        message: `the folder ${folder} is not there`,
        hint: 'what was read there before stands until it can be read again',
        origin: { source: 'gateway-api', file: '.' },
      },
    ])
    expect(lost.objects.HTTPRoute[0]).toBe(first.objects.HTTPRoute[0])
    expect(lost.objects.EndpointSlice).toEqual(first.objects.EndpointSlice)

    renameSync(away, folder)
    const back = await next()
    expect([back.stale, back.problems]).toEqual([undefined, []])
    expect(back.objects.HTTPRoute[0]).toBe(first.objects.HTTPRoute[0])
    write('route.yaml', route('/b'))
    expect((await next()).objects.HTTPRoute[0]).not.toBe(first.objects.HTTPRoute[0])
  })

  test('a folder that is not there yet is awaited, wherever its path ends today', async () => {
    worlds = readFiles(join(folder, 'one/two'), abort.signal)
    const missing = await next()
    expect(missing.problems).toMatchObject([{ code: 'gateway-api/unreadable', severity: 'error' }])
    mkdirSync(join(folder, 'one/two'), { recursive: true })
    writeFileSync(join(folder, 'one/two/gateway.yaml'), gateway)
    let world = await next()
    // the new folder may have been seen before its file was written
    while (world.objects.Gateway.length === 0) world = await next()
    expect(world.problems).toEqual([])
  })

  test('a folder in it that is removed takes its objects with it, as its files would', async () => {
    write('gateway.yaml', gateway)
    mkdirSync(join(folder, 'team/deep'), { recursive: true })
    write('team/deep/route.yaml', route('/a'))
    expect((await start()).objects.HTTPRoute).toHaveLength(1)
    renameSync(join(folder, 'team'), `${folder}-team`)
    let world = await next()
    // its file may have been missed before the folder was
    while (world.objects.HTTPRoute.length > 0) world = await next()
    expect([world.stale, world.problems, world.objects.Gateway.length]).toEqual([undefined, [], 1])
    renameSync(`${folder}-team`, join(folder, 'team'))
    expect((await next()).objects.HTTPRoute).toHaveLength(1)
  })

  test('a Secret keeps the data of a file that goes missing', async () => {
    mkdirSync(join(folder, 'tls'))
    write('tls/a.txt', 'first')
    write(
      'secret.yaml',
      'apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {gantry.dev/files: a=tls/a.txt}}\n',
    )
    const data = (world: World): unknown => world.objects.Secret[0]?.spec.data['a']?.reveal()
    expect(data(await start())).toBe('first')
    renameSync(join(folder, 'tls'), join(folder, 'away'))
    const lost = await next()
    expect([data(lost), lost.stale]).toEqual(['first', true])
    expect(lost.problems).toMatchObject([{ code: 'gateway-api/unreadable', origin: { file: 'secret.yaml' } }])
    write('away/a.txt', 'second')
    renameSync(join(folder, 'away'), join(folder, 'tls'))
    const back = await next()
    expect([data(back), back.stale, back.problems]).toEqual(['second', undefined, []])
  })

  test('a Secret whose file becomes wrong keeps the data of its files', async () => {
    const secret = `apiVersion: v1\nkind: Secret\nmetadata: {name: s, annotations: {gantry.dev/files: "a=a.txt"}}\n`
    write('a.txt', 'first')
    write('secret.yaml', secret)
    expect((await start()).objects.Secret[0]?.spec.data?.['a']?.reveal()).toBe('first')
    write('secret.yaml', `${secret}type: [\n`)
    const world = await next()
    expect(world.objects.Secret[0]?.spec.data?.['a']?.reveal()).toBe('first')
    expect(world.problems.map(({ code }) => code)).toEqual(['gateway-api/yaml'])
  })

  test('is recognised by what its files say', async () => {
    write('other.yaml', 'kind: Other\n')
    expect(await recogniseFolder(folder)).toBe(false)
    write('gateway.yaml', gateway)
    expect(await recogniseFolder(folder)).toBe(true)
    worlds = readFiles(folder, abort.signal)
  })
})

describe('certificates', () => {
  const certificate = (name: string, hosts: string): void => {
    const given = ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
    const files = ['-keyout', join(folder, `${name}.key`), '-out', join(folder, `${name}.crt`)]
    execFileSync('openssl', [...given, ...files, '-subj', `/CN=${name}`, '-addext', `subjectAltName=${hosts}`], {
      stdio: 'ignore',
    })
  }
  const secret = (name: string): string =>
    `apiVersion: v1\nkind: Secret\ntype: kubernetes.io/tls\nmetadata:\n  name: ${name}\n  annotations: {gantry.dev/files: "tls.crt=${name}.crt, tls.key=${name}.key, ca.crt=${name}.crt"}\n`
  const listener = (name: string, hostname: string, cert: string): string =>
    `{name: ${name}, port: 8443, protocol: HTTPS, hostname: ${hostname}, tls: {certificateRefs: [{name: ${cert}}]}}`

  test('listeners terminate, tell overlaps, ask clients; backends are shown ours and verified', async () => {
    certificate('one', 'DNS:one.example.com,DNS:two.example.com')
    certificate('two', 'DNS:two.example.com')
    const listeners = [
      listener('one', 'one.example.com', 'one'),
      listener('two', 'two.example.com', 'two'),
      listener('wild', '"*.wild.com"', 'two'),
      listener('under', 'a.wild.com', 'two'),
    ]
    const tls =
      'tls: {backend: {clientCertificateRef: {name: one}}, frontend: {default: {validation: {caCertificateRefs: [{group: "", kind: Secret, name: one}]}}}}'
    write(
      'all.yaml',
      [
        `${api}\nkind: Gateway\nmetadata: {name: web}\nspec: {gatewayClassName: any, listeners: [${listeners.join(', ')}], ${tls}}\n`,
        secret('one'),
        secret('two'),
        `${api}\nkind: BackendTLSPolicy\nmetadata: {name: p}\nspec: {targetRefs: [{group: "", kind: Service, name: shop}], validation: {hostname: shop.local, caCertificateRefs: [{group: "", kind: Secret, name: two}]}}\n`,
        route('/'),
      ].join('---\n'),
    )
    write('endpoints.yml', 'shop: 127.0.0.1:3000\n')
    const { model, statuses, diagnostics } = createTranslator()(await start())
    expect(diagnostics).toEqual([])
    expect(model.listeners.map((each) => each.tls?.certificates)).toEqual([
      ['gateway-api/Secret/default/one'],
      ...Array.from({ length: 3 }, () => ['gateway-api/Secret/default/two']),
    ])
    expect(model.listeners[0]?.tls?.clientValidation).toEqual({
      mode: 'require',
      ca: ['gateway-api/Secret/default/one'],
    })
    expect(model.backends[0]?.tls).toEqual({
      serverName: 'shop.local',
      trust: { kind: 'ca', certificates: ['gateway-api/Secret/default/two'] },
      alpn: ['http/1.1'],
      clientCertificate: 'gateway-api/Secret/default/one',
    })
    const status = statuses.find((each) => each.kind === 'Gateway')?.status
    const reasons = status?.listeners.map(
      (each) => each.conditions.find((condition) => condition.type === 'OverlappingTLSConfig')?.reason,
    )
    expect(reasons).toEqual([undefined, 'OverlappingCertificates', 'OverlappingHostnames', 'OverlappingHostnames'])
    // the key stands in no text
    expect(JSON.stringify(model)).not.toContain('PRIVATE KEY')
  })

  test('a Secret that stands in a List takes its data from files too', async () => {
    mkdirSync(join(folder, 'tls'))
    write('tls/one.crt', 'a certificate')
    write(
      'tls/all.yaml',
      'apiVersion: v1\nkind: List\nitems:\n- apiVersion: v1\n  kind: Secret\n  metadata: {name: one, annotations: {gantry.dev/files: tls.crt=one.crt}}\n',
    )
    const world = await start()
    expect(world.problems).toEqual([])
    expect(world.objects.Secret[0]?.spec.data['tls.crt']?.reveal()).toBe('a certificate')
  })

  test('a certificate that is renewed on disk is read again', async () => {
    certificate('one', 'DNS:one.example.com')
    write(
      'all.yaml',
      [
        `${api}\nkind: Gateway\nmetadata: {name: web}\nspec: {gatewayClassName: any, listeners: [${listener('one', 'one.example.com', 'one')}]}\n`,
        secret('one'),
      ].join('---\n'),
    )
    const translate = createTranslator()
    const before = translate(await start()).model.certificates[0]?.certificate
    certificate('one', 'DNS:one.example.com')
    let after = translate(await next()).model.certificates[0]?.certificate
    // certificate and key are two files; in between they do not fit together
    while (after === undefined || after === before) after = translate(await next()).model.certificates[0]?.certificate
    expect(after).toContain('BEGIN CERTIFICATE')
  })
})
