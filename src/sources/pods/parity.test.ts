/** Random Namespaces, Pods and Secrets → the same answers to random requests from the engine and from real nginx. */
import fc from 'fast-check'
import { afterAll, beforeAll, expect, test } from 'vitest'
import {
  agreed,
  ask,
  type Backend,
  type Both,
  comparable,
  kinds,
  type Request,
  startStage,
} from '../../targets/nginx/testing/both.ts'
import { readEnvironment } from './environment.ts'
import { readTexts } from './read-files.ts'
import { createTranslate } from './translate.ts'

let both: Both
let backend: Backend
let stop: () => Promise<void>
beforeAll(async () => {
  ;({ both, backend, stop } = await startStage())
})
afterAll(() => stop())

const labels = { 'github.com/30x.dispatcher.routable': 'true' }
const hosts = ['a.test', 'b.test', 'C.Test', 'long-name.with.many.parts.of.it.example'] as const
const basePaths = [
  '/',
  '/shop',
  '/shop/',
  '/shop/cart',
  '/s',
  '/sp%20ace',
  '/%41b',
  '/it%27s',
  '/caf%C3%A9',
  '/a.b',
  '/a+b',
  '/(x)',
  '= /exact',
  '^~ /shop',
  '~ ^/re[0-9]+$',
  '~* \\.PNG$',
] as const
const targetPaths = [undefined, '/', '/t', '/t/', '/t/u', '/t%20u', '/$host', '/q//r', '/it%27s', '/plus+'] as const
const statusPath = '/dispatcher/status'

const path = fc.record({
  basePath: fc.constantFrom(...basePaths),
  targetPath: fc.constantFrom(...targetPaths),
  weight: fc.option(fc.integer({ min: 1, max: 5 }), { nil: undefined }),
})
const pod = fc.record({
  paths: fc.array(path, { minLength: 1, maxLength: 3 }),
  ready: fc.constantFrom(true, true, true, undefined, false),
})
const namespace = fc.record({
  hosts: fc.uniqueArray(fc.constantFrom(...hosts), { minLength: 1, maxLength: 2 }),
  pods: fc.array(pod, { minLength: 1, maxLength: 3 }),
  /** None, one, or two for rotation. */
  keys: fc.constantFrom(0, 0, 1, 2),
})
const world = fc.record({
  namespaces: fc.array(namespace, { minLength: 1, maxLength: 3 }),
  fallback: fc.constantFrom('404', '404', '200', '503', '999', 'uri'),
  bodySize: fc.constantFrom('0', '16'),
})
type World = typeof world extends fc.Arbitrary<infer Kind> ? Kind : never

const keyOf = (index: number, which: number): string => `key ${which} of n${index}="`

function objectsOf({ namespaces }: World, port: number): readonly object[] {
  return namespaces.flatMap((one, index) => [
    {
      kind: 'Namespace',
      metadata: {
        name: `n${index}`,
        labels,
        creationTimestamp: `2026-01-0${index + 1}T00:00:00Z`,
        annotations: {
          'github.com/30x.dispatcher.hosts': JSON.stringify(Object.fromEntries(one.hosts.map((name) => [name, {}]))),
        },
      },
    },
    ...one.pods.map((each, number) => ({
      kind: 'Pod',
      metadata: {
        namespace: `n${index}`,
        name: `p${number}`,
        labels,
        annotations: {
          'github.com/30x.dispatcher.paths': JSON.stringify(
            each.paths.map((wanted) => ({ ...wanted, containerPort: String(port) })),
          ),
        },
      },
      spec: { containers: [{ ports: [{ containerPort: port }] }] },
      status: {
        phase: 'Running',
        podIP: `127.1.${index}.${number + 1}`,
        ...(each.ready === undefined ? {} : { conditions: [{ type: 'Ready', status: each.ready ? 'True' : 'False' }] }),
      },
    })),
    ...(one.keys === 0
      ? []
      : [
          {
            kind: 'Secret',
            metadata: { namespace: `n${index}`, name: 'routing' },
            stringData: { 'api-key': keyOf(index, 0), ...(one.keys === 2 ? { 'api-key.next': keyOf(index, 1) } : {}) },
          },
        ]),
  ])
}

const suffixes = [
  '',
  '',
  '/',
  '/x',
  'x',
  '//y',
  '/a%2Fb',
  '/%41',
  '/%c3%a9',
  '/a%20b',
  '/%25',
  '/1/2/3/',
  '/image.png',
  '/it%27s',
  '/semi;colon',
  '/a+b',
] as const
const queries = ['', '', '?q=1', '?q=%2F&r=a+b', '?/../x'] as const
const request = fc.record({
  host: fc.constantFrom(...hosts, 'unknown.test', 'A.TEST.', 'b.test:8080'),
  path: fc.oneof(
    fc.constantFrom(
      ...basePaths.map((one) =>
        one
          .replace(/^(?:=|\^~|~\*?) ?\^?/, '')
          .replace('[0-9]+$', '42')
          .replace('\\.PNG$', '/x.PNG'),
      ),
    ),
    fc.constantFrom('/nowhere', '/shopping', '/exactly', statusPath, '/pic.PnG', '/re', '/re7'),
  ),
  suffix: fc.constantFrom(...suffixes),
  query: fc.constantFrom(...queries),
  method: fc.constantFrom('GET', 'GET', 'GET', 'HEAD', 'POST', 'PUT', 'PATCH', 'DELETE', 'OPTIONS'),
  /** The right one of each namespace, a wrong one, or none. */
  key: fc.constantFrom(undefined, 'wrong', '0.0', '0.0', '0.1', '1.0', '1.1', '2.0'),
  extra: fc.subarray([
    ['X-Tenant', 'blue'],
    ['X_Under', 'dropped'],
    ['Accept', '*/*'],
    ['Cookie', 'a=b; c=d'],
    ['X-Forwarded-For', '10.9.8.7'],
  ] as const),
  body: fc.option(
    fc.record({
      text: fc.constantFrom('', 'x', 'sixteen bytes!!!', 'seventeen bytes!!'),
      framing: fc.constantFrom('length' as const, 'chunks' as const),
    }),
    { nil: undefined },
  ),
})
type Wanted = typeof request extends fc.Arbitrary<infer Kind> ? Kind : never

function requestOf(wanted: Wanted): Request {
  const { host, path: start, suffix, query, method, key, extra, body } = wanted
  const shown =
    key === undefined
      ? undefined
      : key === 'wrong'
        ? key
        : Buffer.from(keyOf(Number(key[0]), Number(key[2]))).toString('base64')
  const carries = body !== undefined && ['POST', 'PUT', 'PATCH'].includes(method)
  return {
    method,
    target: `${start.startsWith('/') ? start : `/${start}`}${suffix}${query}`,
    headers: [['Host', host], ...extra, ...(shown === undefined ? [] : ([['X-Routing-Api-Key', shown]] as const))],
    ...(carries ? { body } : {}),
  }
}

test('the same answers from both', { timeout: 300_000 }, async () => {
  let asked = 0
  let served = 0
  await fc.assert(
    fc.asyncProperty(world, fc.array(request, { minLength: 40, maxLength: 40 }), async (given, requests) => {
      const configured = readEnvironment(
        {
          DEFAULT_LOCATION_RETURN: given.fallback === 'uri' ? `http://127.9.9.9:${backend.port}/fb` : given.fallback,
          NGINX_MAX_CLIENT_BODY_SIZE: given.bodySize,
        },
        () => new Error('there is no file'),
      )
      const text = objectsOf(given, backend.port)
        .map((one) => JSON.stringify(one))
        .join('\n---\n')
      const { model } = createTranslate()(readTexts([['all.yaml', text]], configured))
      await both.apply(model)
      for (const wanted of requests) {
        const raw = requestOf(wanted)
        const [engine, nginx] = await Promise.all(kinds.map((kind) => ask(both.portOf(kind, 80), raw)))
        asked++
        if (engine?.headers.has('x-from')) served++
        expect(agreed(raw, engine!, nginx!), `${JSON.stringify(raw)} ${both.log().slice(-2).join()}`).toEqual(
          comparable(engine!),
        )
      }
    }),
    { numRuns: 25, endOnFailure: true, seed: Number(process.env['GANTRY_SEED'] ?? 6) },
  )
  // the property says nothing where nothing reaches a Pod
  expect(asked).toBeGreaterThan(900)
  expect(served).toBeGreaterThan(100)
})
