/** What policies write for nginx is accepted by nginx itself; what it cannot do, they say. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { runsFor } from '../../conformance/loud.ts'
import { printConfiguration } from '../lib/nginx/print.ts'
import { emptyModel } from '../model/model.ts'
import { createTestServices } from '../targets/engine/testing.ts'
import { policies } from './list.ts'
import type { CompileContext, NginxPiece, Unsupported } from './policy.ts'

const context: CompileContext = {
  route: undefined,
  origin: { source: 'test' },
  model: emptyModel,
  services: createTestServices(),
  certificate: () => undefined,
  report: () => undefined,
  compileCondition: () => () => true,
}

function inNginx(name: string, config: unknown): NginxPiece | Unsupported {
  const policy = policies.find((one) => one.name === name)
  if (policy === undefined) throw new Error(`no policy ${name}`)
  return policy.nginx(policy.config.parse(config) as never, context)
}

const nginx = '/usr/sbin/nginx'

const why = existsSync(nginx) ? undefined : `there is no ${nginx}`
test.runIf(runsFor('that nginx reads what policies write', why)).each<[string, unknown]>([
  ['strip-identity', {}],
  ['shared-key', { header: 'X-Routing-Api-Key', key: 'c3VwZXI="; } evil' }],
  [
    'headers',
    { request: { set: [{ name: 'X-A', value: 'a "b" ;' }] }, response: { add: [{ name: 'X-B', value: 'c' }] } },
  ],
  ['headers', { request: { set: [{ name: 'X-A', value: { fact: 'client-address' } }], remove: ['X-Z'] } }],
  ['proxy-path', { prepend: '/base', slashes: 'keep' }],
  ['url-rewrite', { hostname: 'a.internal', path: { kind: 'prefix', prefix: '/a.b', value: '/c' } }],
  ['url-rewrite', { path: { kind: 'full', value: '/c' } }],
  ['redirect', { scheme: 'https', hostname: 'a.example', path: { kind: 'prefix', prefix: '/a', value: '/b' } }],
  ['reply', { status: 200, body: 'hello; }' }],
  ['body-limit', { limit: 1000 }],
  ['rewrite-cookies', { domain: { 'shop.internal': 'shop.example' } }],
  ['cors', { origins: { kind: 'any' }, credentials: true, maxAge: 5, exposeHeaders: ['X-A'] }],
  [
    'cors',
    {
      origins: {
        kind: 'list',
        of: [
          { kind: 'wildcard', value: 'https://*.a.com' },
          { kind: 'exact', value: 'https://b.com' },
        ],
      },
    },
  ],
])('%s with %j', (name, config) => {
  const piece = inNginx(name, config)
  expect(piece).not.toHaveProperty('unsupported')
  const { location = [], server = [], http = [] } = piece as NginxPiece
  const folder = mkdtempSync(join(tmpdir(), 'gantry-policies-'))
  try {
    const file = join(folder, 'nginx.conf')
    const variables = [
      { name: 'set', args: [{ raw: '$gantry_target' }, { raw: '$request_uri' }] },
      { name: 'set', args: [{ raw: '$gantry_host' }, { raw: '$http_host' }] },
    ]
    const block = [...server, { name: 'listen', args: ['127.0.0.1:1'] }]
    const inner = [
      ...variables,
      ...location,
      { name: 'proxy_pass', args: [{ raw: 'http://127.0.0.1:2$gantry_target' }] },
    ]
    const text = printConfiguration([
      { name: 'pid', args: [join(folder, 'pid')] },
      { name: 'events', args: [], block: [] },
      {
        name: 'http',
        args: [],
        block: [
          { name: 'access_log', args: ['off'] },
          ...http,
          { name: 'server', args: [], block: [...block, { name: 'location', args: ['/'], block: inner }] },
        ],
      },
    ])
    writeFileSync(file, text)
    execFileSync(nginx, ['-t', '-e', 'stderr', '-p', folder, '-c', file], { stdio: 'pipe' })
  } finally {
    rmSync(folder, { recursive: true })
  }
})

test('what nginx cannot do is said', () => {
  const cases: readonly (readonly [string, unknown])[] = [
    ['key-auth', {}],
    ['rate-limit', {}],
    ['shared-key', { header: 'X-Key', key: 'a$b' }],
    ['headers', { request: { set: [{ name: 'X-A', value: '$host' }] } }],
    ['headers', { request: { add: [{ name: 'X-A', value: 'a' }] } }],
    ['redirect', {}],
    ['cors', { backendHeaders: 'keep' }],
  ]
  for (const [name, config] of cases)
    expect([name, inNginx(name, config)]).toEqual([name, { unsupported: expect.any(String) }])
})
