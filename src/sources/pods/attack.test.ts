/** Tenants who mean harm, all at once → everybody else is answered as before, by both targets; each of them is told, and nothing else happens. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { ask, type Backend, type Both, comparable, kinds, startStage } from '../../targets/nginx/testing/both.ts'
import { readEnvironment } from './environment.ts'
import { readTextFile, readTexts } from './read-files.ts'
import { createTranslate } from './translate.ts'

let both: Both
let backend: Backend
let stop: () => Promise<void>
const room = mkdtempSync(join(tmpdir(), 'attack-'))
beforeAll(async () => {
  ;({ both, backend, stop } = await startStage())
})
afterAll(async () => {
  await stop()
  rmSync(room, { recursive: true })
})

const labels = { 'github.com/30x.dispatcher.routable': 'true' }
const namespace = (name: string, hosts: string, created = '2026-06-01T00:00:00Z'): object => ({
  kind: 'Namespace',
  metadata: { name, labels, creationTimestamp: created, annotations: { 'github.com/30x.dispatcher.hosts': hosts } },
})
const pod = (space: string, name: string, paths: string, ip: string, ports: readonly unknown[] = []): object => ({
  kind: 'Pod',
  metadata: { namespace: space, name, labels, annotations: { 'github.com/30x.dispatcher.paths': paths } },
  spec: { containers: [{ ports: [...ports, { containerPort: backend.port }] }] },
  status: { phase: 'Running', podIP: ip },
})
const secret = (space: string, stringData: object, data: object = {}): object => ({
  kind: 'Secret',
  metadata: { namespace: space, name: 'routing' },
  stringData,
  data,
})
const ssl = (crt: string, key: string, client?: string): object => {
  const field = (name: string): object => ({ valueFrom: { secretKeyRef: { key: name } } })
  return {
    ssl: {
      certificate: field(crt),
      certificateKey: field(key),
      ...(client === undefined ? {} : { clientCertificate: field(client) }),
    },
  }
}

const hosts = [
  'good.test',
  'GOOD.test',
  'good.test.',
  '*.test',
  '~^.*$',
  '_',
  '',
  '.',
  '..',
  '../../../../tmp/escape',
  'good.test; return 200',
  'good.test"',
  "good.test' {",
  'good.test\n}\nserver { listen 1; }',
  '$host',
  '${host}',
  'gооd.test',
  '127.0.0.1',
  '[::1]',
  '__proto__',
  'constructor',
  'hasOwnProperty',
  'default_server',
  `${'a'.repeat(63)}.${'b'.repeat(63)}.${'c'.repeat(63)}.${'d'.repeat(61)}`,
  'a'.repeat(64),
]
const paths = [
  '/ok',
  '^~ /ok',
  '= /ok',
  '/ok/',
  '/ok/x',
  '/ok/sub',
  '= /ok/x',
  '^~ /ok/x',
  '/okay',
  '/%6fk/x',
  '~ ^/ok',
  '~* ^/OK',
  '~ .',
  '/api',
  '= /api',
  '= /api/',
  '/api/z',
  '~ /z$',
  '@gantry_engine',
  '@gantry_close',
  '/dispatcher/status',
  '/a;b',
  '/a{b',
  '/}',
  '/"',
  "/'",
  '/\\',
  '/\n}',
  '/#',
  '/ space',
  '/$host',
  '/${x}',
  '/%00',
  '/%zz',
  '/%',
  '/..',
  '/../..',
  '/./a',
  '//a',
  '/?q',
  '',
  'nothing',
  '~ (a+)+$',
  '~ ((a|a)*)*b',
  '~ a{1000}{1000}',
  '~ (?=x)',
  '~ [',
  '~ "; }',
  '~ \\',
  `/${'x'.repeat(5000)}`,
  '\u2028',
  '/\u2028',
  '/\ud800',
  '__proto__',
]
const targets = [
  '/$host',
  '/a b',
  '/;',
  '/\n',
  '//evil.test/',
  'http://evil.test/',
  '/../..',
  '/?x',
  '/#x',
  '/%00',
  '/"',
  '@x',
  '',
]
const ports = ['0', '-1', '65536', '1e1', '0x50', ' 80', '80;', '９０', '+443', '00443', 'http']
const weights = ['0', '-1', '1.5', '1e3', '65536', '18446744073709551615', '"3"', '1; }', 'null', '[]']

const good = (): readonly object[] => [
  namespace('good', '{"good.test":{}}', '2025-01-01T00:00:00Z'),
  pod(
    'good',
    'p',
    `[{"basePath":"/ok","containerPort":"${backend.port}"},{"basePath":"/api/","containerPort":"${backend.port}","targetPath":"/"}]`,
    '127.7.0.1',
  ),
  secret('good', { 'api-key': 'sesame' }),
]

function evil(): readonly object[] {
  const objects: object[] = []
  const tenant = (
    hostsText: string,
    pathsText: string,
    ip = '127.7.9.9',
    more: (name: string) => readonly object[] = () => [],
  ): void => {
    const name = `evil-${objects.length}`
    objects.push(namespace(name, hostsText), pod(name, 'p', pathsText, ip), ...more(name))
  }
  const own = `[{"basePath":"/mine","containerPort":"${backend.port}"}]`
  for (const host of hosts) tenant(JSON.stringify({ [host]: {} }), own)
  // a wrong one beside must not let the others through
  for (const host of hosts) tenant(`{"x.evil.test":5,${JSON.stringify(host)}:{}}`, own)
  const entry = (given: object): string => JSON.stringify([{ containerPort: String(backend.port), ...given }])
  for (const basePath of paths) tenant('{"good.test":{},"evil.test":{}}', entry({ basePath }))
  for (const targetPath of targets)
    tenant('{"evil.test":{}}', entry({ basePath: `/t${targets.indexOf(targetPath)}`, targetPath }))
  for (const containerPort of ports) tenant('{"evil.test":{}}', entry({ basePath: '/p', containerPort }))
  for (const weight of weights)
    tenant('{"evil.test":{}}', `[{"basePath":"/w","containerPort":"${backend.port}","weight":${weight}}]`)
  for (const text of [
    '',
    '{',
    '[',
    'null',
    '5',
    '"x"',
    '[[]]',
    `${'['.repeat(100_000)}`,
    `{"a":`.repeat(50_000),
    '{"good.test":{"ssl":{}}}',
    '{"__proto__":{"ssl":{}}}',
  ])
    tenant(text, text)
  // addresses that are none: names, sockets of this machine, text
  for (const ip of [
    'unix:/run/docker.sock',
    'localhost',
    'good.test',
    '127.0.0.1; }',
    '::1%lo',
    '0x7f.1',
    '127.1',
    '1.2.3.4:80',
  ])
    tenant('{"ip.evil.test":{}}', entry({ basePath: `/ip${objects.length}` }), ip)
  // keys that would be read as something else, that are empty, long, or not of this field
  for (const key of ['', '$host', '"; }', '\n', 'a'.repeat(100_000), '\u0000', '=~ .*'])
    tenant('{"key.evil.test":{}}', entry({ basePath: `/k${objects.length}` }), '127.7.9.9', (name) => [
      secret(name, { 'api-key': key, 'api-key.$x': key }),
    ])
  const weak = pair('weak', ['-newkey', 'rsa:1024'])
  const fine = pair('fine', ['-newkey', 'rsa:2048'])
  const broken = '-----BEGIN X509 CERTIFICATE-----\nbm9uc2Vuc2U=\n-----END X509 CERTIFICATE-----\n'
  for (const data of [
    { crt: 'ABC', key: 'ABC' },
    { crt: weak.certificate, key: weak.key },
    { crt: fine.certificate, key: weak.key },
    { crt: fine.certificate + broken, key: `${fine.key}${broken}` },
    { crt: broken + fine.certificate, key: fine.key },
    { crt: fine.key, key: fine.certificate },
    { crt: `${fine.certificate}${'-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n'}`, key: fine.key },
    { crt: fine.certificate, key: fine.key, ca: broken },
    { crt: fine.certificate, key: fine.key, ca: fine.certificate + broken },
    { crt: '', key: '' },
    { '../../crt': fine.certificate, key: fine.key },
  ])
    tenant(
      JSON.stringify({
        [`tls${objects.length}.evil.test`]: ssl(Object.keys(data)[0] ?? '', 'key', 'ca' in data ? 'ca' : undefined),
        'good.test': ssl('crt', 'key'),
      }),
      own,
      '127.7.9.9',
      (name) => [secret(name, data)],
    )
  return objects
}

test('everybody else is answered as before', { timeout: 240_000 }, async () => {
  const standard = pair('standard', ['-newkey', 'rsa:2048'])
  const configured = readEnvironment({ SSL_CERT: standard.files[0], SSL_KEY: standard.files[1] }, readTextFile)
  expect(configured.kind).toBe('configured')
  const text = (objects: readonly object[]): string => objects.map((one) => JSON.stringify(one)).join('\n---\n')
  const translate = createTranslate()
  const answers = async (): Promise<unknown> => {
    const all: unknown[] = []
    for (const kind of kinds) {
      for (const target of ['/ok', '/ok/x?y=1', '/api/z', '/api', '/nothing'])
        for (const key of ['sesame', 'wrong']) {
          const headers = [
            ['Host', 'good.test'],
            ['X-Routing-Api-Key', Buffer.from(key).toString('base64')],
          ] as const
          all.push([
            kind,
            target,
            key,
            comparable(await ask(both.portOf(kind, 80), { method: 'GET', target, headers })),
          ])
        }
      all.push([
        kind,
        comparable(
          await ask(both.portOf(kind, 80), { method: 'GET', target: '/ok', headers: [['Host', 'nobody.test']] }),
        ),
      ])
    }
    return all
  }
  const before = readdirSync(tmpdir())
  await both.apply(translate(readTexts([['all.yaml', text(good())]], configured)).model)
  const expected = await answers()
  const world = readTexts([['all.yaml', text([...good(), ...evil()])]], configured)
  const began = process.cpuUsage()
  const { model, statuses, diagnostics } = translate(world)
  const { user } = process.cpuUsage(began)
  // whoever wants much must not make everybody wait; microseconds of the processor, however busy it is with others
  expect(user).toBeLessThan(3_000_000)
  await both.apply(model)
  expect(await answers()).toEqual(expected)
  // nobody sees a key, and nobody's key is said
  for (const { message } of diagnostics) {
    expect(message).not.toContain('sesame')
    expect(message).not.toContain('PRIVATE KEY')
  }
  expect(statuses.filter(({ name, namespace: space }) => name === 'good' || space === 'good')).toEqual([])
  expect(statuses.length).toBeGreaterThan(60)
  // nothing was written but below our own folder; other programs write there too, under other names
  const strange = readdirSync(tmpdir()).filter((name) => !before.includes(name) && /escape|evil/.test(name))
  expect(strange).toEqual([])
  for (const name of model.routes.flatMap((route) => route.hosts ?? []))
    expect(name).toMatchObject({ kind: 'exact', name: expect.stringMatching(/^[a-z0-9.-]+$/) })
  for (const { addresses } of model.endpoints) for (const { host } of addresses) expect(host).toMatch(/^127\./)
})

function pair(
  name: string,
  kind: readonly string[],
): { readonly certificate: string; readonly key: string; readonly files: readonly [string, string] } {
  const [key, certificate] = [join(room, `${name}.key`), join(room, `${name}.crt`)]
  const words = [
    'req',
    '-x509',
    ...kind,
    '-nodes',
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    key,
    '-out',
    certificate,
  ]
  execFileSync('openssl', words, { stdio: 'ignore' })
  return { certificate: readFileSync(certificate, 'utf8'), key: readFileSync(key, 'utf8'), files: [certificate, key] }
}
