/** What endpoints files and annotations may say, and what is said of the rest, with file and line. */
import { describe, expect, test } from 'vitest'
import { createFileReader } from './files.ts'
import type { World } from './resources.ts'

const route = `
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop}
spec:
  rules:
    - backendRefs: [{name: shop, port: 80}, {name: shop, port: 9000}, {name: named, port: 80}]
`
const service = `---
apiVersion: v1
kind: Service
metadata: {name: named}
spec: {ports: [{name: http, port: 80}, {name: grpc, port: 9000}]}
`

function read(files: Readonly<Record<string, string>>): World {
  const reader = createFileReader({ controllerName: 'gantry.dev/gateway-controller', address: '127.0.0.1' })
  return reader(new Map(Object.entries({ 'all.yaml': route + service, ...files })), new Map())
}

/** `file:line severity message | hint` */
const said = (world: World): readonly string[] =>
  world.problems.map(({ severity, message, hint, origin }) =>
    [`${origin?.file}:${origin?.line} ${severity} ${message}`, ...(hint === undefined ? [] : [hint])].join(' | '),
  )

/** `service port → address` */
const served = (world: World): readonly string[] =>
  world.objects.EndpointSlice.map(
    ({ metadata, spec }) =>
      `${metadata.name.replace(/-(127|::).*/, '')} → ${spec.endpoints[0]?.addresses[0]}:${spec.ports[0]?.port}`,
  )

describe('ports', () => {
  test('of a Service that is not declared are known by number', () => {
    const world = read({ 'endpoints.yml': 'shop: 80=127.0.0.1:3000, 9000=127.0.0.1:3001\n' })
    expect(said(world)).toEqual([])
    expect(served(world)).toEqual(['shop-tcp-80 → 127.0.0.1:3000', 'shop-tcp-9000 → 127.0.0.1:3001'])
  })

  test('of one that is declared by name as well', () => {
    const world = read({ 'endpoints.yml': 'named: ["http=127.0.0.1:3000", "9000=[::1]:3001"]\n' })
    expect(said(world)).toEqual([])
    expect(served(world)).toEqual(['named-tcp-80 → 127.0.0.1:3000', 'named-tcp-9000 → ::1:3001'])
  })

  test('by a name that nobody declared lead nowhere, and it is said what would', () => {
    const world = read({ 'endpoints.yml': '# here\nshop:\n  - 80=127.0.0.1:3000\n  - grpc=127.0.0.1:3001\n' })
    expect(said(world)).toEqual([
      'endpoints.yml:4 error shop: "grpc" names a port of a Service that is not declared | 80=127.0.0.1:3001 or 9000=127.0.0.1:3001, or declare the Service with a port of this name',
    ])
    expect(served(world)).toEqual(['shop-tcp-80 → 127.0.0.1:3000'])
  })

  test('that a Service does not have are said', () => {
    expect(
      said(read({ 'endpoints.yml': 'named: htpp=127.0.0.1:3000, 1=127.0.0.1:3001\nshop: 81=127.0.0.1:1\n' })),
    ).toEqual([
      'endpoints.yml:1 error named: the Service has no port "htpp" | did you mean "http"?',
      'endpoints.yml:1 error named: the Service has no port "1" | it has http, grpc, 80, 9000',
      'endpoints.yml:2 warning shop: no route calls port 81 | routes call 80, 9000',
    ])
  })

  test('of an annotation are held to the same', () => {
    const annotated = service.replace(
      'name: named',
      'name: named, annotations: {gantry.dev/endpoints: "web=127.0.0.1:1"}',
    )
    expect(said(read({ 'all.yaml': route + annotated }))).toEqual([
      'all.yaml:11 error Service default/named: the Service has no port "web" | it has http, grpc, 80, 9000',
    ])
  })
})

describe('keys and values', () => {
  test.each([
    ['Shop: 127.0.0.1:1', 'error Shop: not the name of a Service | NAME or NAMESPACE/NAME, of small letters, digits and "-"'],
    ['a/b/shop: 127.0.0.1:1', 'error a/b/shop: not the name of a Service | NAME or NAMESPACE/NAME, of small letters, digits and "-"'],
    ['shpo: 127.0.0.1:1', 'warning shpo: no Service of this name is declared, and no route calls one | did you mean "shop"?'],
    ['team/shop: 127.0.0.1:1', 'warning team/shop: no Service of this name is declared, and no route calls one | did you mean "shop"?'],
    ['other: 127.0.0.1:1', 'warning other: no Service of this name is declared, and no route calls one | a route names it under backendRefs'],
    ['shop: {host: 127.0.0.1}', 'error shop: {"host":"127.0.0.1"} is not an address with a port | 127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'],
    ['shop: 3000', 'error shop: 3000 is not an address with a port | 127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'],
    ['shop:', 'error shop: null is not an address with a port | 127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'],
    ['shop: ""', 'error shop: "" is not an address with a port | 127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'],
    ['shop: 127.0.0.1:1,,', 'error shop: "" is not an address with a port | 127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'],
  ])('%s', (text, expected) => {
    const world = read({ 'endpoints.yml': `${text}\n` })
    expect(said(world)).toEqual([`endpoints.yml:1 ${expected}`])
    expect(served(world)).toEqual([])
  }) // prettier-ignore

  test('one address that is wrong costs its Service, and has its own line', () => {
    const world = read({ 'endpoints.yml': 'shop:\n  - 127.0.0.1:3000\n  - 127.0.0.1\nnamed: 127.0.0.1:1\n' })
    expect(said(world)).toMatchObject([expect.stringContaining('endpoints.yml:3 error shop: "127.0.0.1" is not')])
    expect(served(world)).toEqual(['named-tcp-80 → 127.0.0.1:1', 'named-tcp-9000 → 127.0.0.1:1'])
  })

  test('no address at all is one that is down', () => {
    expect(said(read({ 'endpoints.yml': 'shop: []\n' }))).toEqual([])
  })
})

test('a Service that is written twice is said with both places; the first counts', () => {
  const world = read({
    'a/endpoints.yml': 'shop: 127.0.0.1:1\n',
    'b/endpoints.yaml': 'named: 127.0.0.1:2\n\ndefault/shop: 127.0.0.1:3\n',
    'all.yaml': route + service.replace('name: named', 'name: named, annotations: {gantry.dev/endpoints: 127.0.0.1:4}'),
  })
  expect(said(world)).toEqual([
    'b/endpoints.yaml:3 error default/shop is written twice; the first one counts',
    'all.yaml:11 error endpoints of Service default/named is written twice; the first one counts',
  ])
  expect(world.problems.map(({ related }) => `${related?.[0]?.file}:${related?.[0]?.line}`)).toEqual([
    'a/endpoints.yml:1',
    'b/endpoints.yaml:1',
  ])
  expect(served(world)).toEqual([
    'shop-tcp-80 → 127.0.0.1:1',
    'shop-tcp-9000 → 127.0.0.1:1',
    'named-tcp-80 → 127.0.0.1:2',
    'named-tcp-9000 → 127.0.0.1:2',
  ])
})
