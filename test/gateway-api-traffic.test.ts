/** Gateway API under live requests → the share of what leads nowhere, the order of a listener's filters, sessions whose Pod goes, trust that is swapped. */
import { Agent, createServer, request, type IncomingHttpHeaders, type RequestListener, type Server } from 'node:http'
import { createServer as createSecure } from 'node:https'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, test } from 'vitest'
import { createAuthority } from '../src/fleet/authority.ts'
import { serveGatewayApi, type ServedTexts, type Texts } from './servers/gateway-api.ts'

const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

async function listen(server: Server): Promise<Server> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => end(server))
  return server
}

function end(server: Server): Promise<void> {
  server.closeAllConnections()
  return new Promise((resolve) => server.close(() => resolve()))
}

const service = (handle: RequestListener): Promise<Server> => listen(createServer(handle))
const at = (server: Server): string => `127.0.0.1:${(server.address() as AddressInfo).port}`

async function start(texts: Texts): Promise<ServedTexts> {
  const started = await serveGatewayApi(texts)
  cleanups.push(() => started.served.stop())
  return started
}

const agent = new Agent({ keepAlive: true, maxSockets: 4 })

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(texts: ServedTexts, headers: Readonly<Record<string, string>> = {}): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const sent = request({ host: '127.0.0.1', port: texts.served.port, agent, headers }, (answer) => {
      let body = ''
      answer.setEncoding('utf8')
      answer.on('data', (piece: string) => (body += piece))
      answer.on('end', () => resolve({ status: answer.statusCode ?? 0, headers: answer.headers, body }))
    })
    sent.on('error', reject).end()
  })
}

const api = 'apiVersion: gateway.networking.k8s.io/v1'
const gateway = (filters = '[]'): string => `${api}
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: gantry
  listeners: [{ name: http, port: 80, protocol: HTTP, filters: { requests: ${filters} } }]
`
const route = (rules: string): string => `${api}
kind: HTTPRoute
metadata: { name: shop }
spec: { parentRefs: [{ name: web }], rules: [${rules}] }
`

test.each([
  [1, 1, 500],
  [3, 1, 250],
  [0, 1, 1000],
])('weights %i for one that is there and %i for one that is not: %i of 1,000 are 500', async (good, bad, share) => {
  const shop = await service((_, response) => response.end('shop'))
  const refs = `{ name: shop, port: 80, weight: ${good} }, { name: missing, port: 80, weight: ${bad} }`
  const texts = await start({
    'gateway.yaml': gateway(),
    'route.yaml': route(`{ backendRefs: [${refs}] }`),
    'endpoints.yml': `shop: ${at(shop)}\n`,
  })
  const counts = new Map<number, number>()
  const client = async (): Promise<void> => {
    for (let turn = 0; turn < 250; turn++) {
      const { status } = await ask(texts)
      counts.set(status, (counts.get(status) ?? 0) + 1)
    }
  }
  await Promise.all([client(), client(), client(), client()])
  // the choice is a smooth weighted rotation: exact, however the requests interleave
  expect([...counts].sort(([one], [other]) => one - other)).toEqual(
    [
      [200, 1000 - share],
      [500, share],
    ].filter(([, count]) => count !== 0),
  )
})

describe('filters of a listener', () => {
  const filter = (name: string): string =>
    `{ type: ExternalAuth, externalAuth: { protocol: HTTP, backendRef: { name: judge, port: 80 }, http: { path: /${name}, allowedHeaders: [x-user, x-tier], allowedResponseHeaders: [x-tier] } } }`
  const tier = (name: string): string =>
    `{ matches: [{ headers: [{ name: x-tier, value: ${name} }] }], backendRefs: [{ name: ${name}, port: 80 }] }`

  test('run in the order of the list: reversed, another route is taken; a denial ends the list and the request', async () => {
    const asked: string[] = []
    // each says its own name as the tier; `second` lets nobody called mallory in
    const judge = await service(({ url, headers }, response) => {
      const name = (url ?? '').split('/')[1] ?? ''
      asked.push(`${name} sees ${String(headers['x-tier'] ?? 'none')}`)
      if (name === 'second' && headers['x-user'] === 'mallory') response.statusCode = 403
      response.setHeader('x-tier', name)
      response.end(`of ${name}`)
    })
    const shops = await Promise.all(
      ['first', 'second'].map((name) =>
        service((_, response) => {
          asked.push(`route ${name}`)
          response.end(`shop ${name}`)
        }),
      ),
    )
    const textsOf = (order: readonly string[]): Texts => ({
      'gateway.yaml': gateway(`[${order.map(filter).join(', ')}]`),
      'route.yaml': route(`${tier('first')}, ${tier('second')}`),
      'endpoints.yml': `judge: ${at(judge)}\nfirst: ${at(shops[0]!)}\nsecond: ${at(shops[1]!)}\n`,
    })
    const texts = await start(textsOf(['first', 'second']))
    expect(texts.problems()).toEqual([])
    const observe = async (user: string): Promise<unknown> => {
      asked.length = 0
      const { status, body } = await ask(texts, { 'x-user': user })
      return [status, body, ...asked]
    }
    const deny = [403, 'of second']
    expect(await observe('jane')).toEqual([200, 'shop second', 'first sees none', 'second sees first', 'route second'])
    expect(await observe('mallory')).toEqual([...deny, 'first sees none', 'second sees first'])
    await texts.change(textsOf(['second', 'first']))
    expect(await observe('jane')).toEqual([200, 'shop first', 'second sees none', 'first sees second', 'route first'])
    expect(await observe('mallory')).toEqual([...deny, 'second sees none'])
  })
})

describe('session persistence', () => {
  const slice = (name: string, address: string): string => `apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: { name: ${name}, labels: { kubernetes.io/service-name: shop } }
ports: [{ port: ${address.split(':')[1]} }]
endpoints: [{ addresses: [127.0.0.1] }]
`

  test.each(['Cookie', 'Header'])(
    '%s: one Pod for 100 requests; when it is deleted another, with 200',
    async (type) => {
      const names = ['a', 'b', 'c']
      const pods = new Map<string, Server>()
      for (const name of names) pods.set(name, await service((_, response) => response.end(name)))
      const addresses = new Map([...pods].map(([name, server]) => [name, at(server)]))
      const textsOf = (left: readonly string[]): Texts => ({
        'gateway.yaml': gateway(),
        'route.yaml': route(
          `{ sessionPersistence: { type: ${type}, ${type.toLowerCase()}: { name: stay } }, backendRefs: [{ name: shop, port: 80 }] }`,
        ),
        'service.yaml': 'apiVersion: v1\nkind: Service\nmetadata: { name: shop }\nspec: { ports: [{ port: 80 }] }\n',
        ...Object.fromEntries(left.map((name) => [`${name}.yaml`, slice(name, addresses.get(name)!)])),
      })
      const texts = await start(textsOf(names))
      expect(texts.problems()).toEqual([])
      // a jar of one
      let jar: Record<string, string> = {}
      let told = 0
      const visit = async (): Promise<Answer> => {
        const answer = await ask(texts, jar)
        const token = type === 'Header' ? answer.headers['stay'] : answer.headers['set-cookie']?.[0]?.split(';')[0]
        if (typeof token === 'string') {
          told++
          jar = type === 'Header' ? { stay: token } : { cookie: token }
        }
        return answer
      }
      const stay = async (): Promise<string> => {
        const { body: first } = await visit()
        told = 0
        for (let turn = 0; turn < 99; turn++) expect(await visit()).toMatchObject({ status: 200, body: first })
        expect(told).toBe(0)
        return first
      }
      const first = await stay()
      // its process is gone before its slice is: the client notices a new token, and nothing else
      await end(pods.get(first)!)
      const moved = await visit()
      expect([moved.status, told]).toEqual([200, 1])
      expect(moved.body).not.toBe(first)
      expect(await stay()).toBe(moved.body)
      // the slice of the next one goes while its process still answers what it has
      const left = names.filter((name) => name !== first && name !== moved.body)
      await texts.change(textsOf(left))
      const last = await visit()
      expect([last.status, last.body, told]).toEqual([200, left[0], 1])
      expect(await stay()).toBe(left[0])
    },
  )
})

test('a ClusterTrustBundle that is swapped under traffic decides from then on, also over connections that were kept', async () => {
  const ours = await createAuthority(['shop.local'])
  const stranger = await createAuthority(['shop.local'])
  const shop = await listen(
    createSecure({ cert: ours.certificate, key: ours.key }, (_, response) => response.end('shop')),
  )
  const bundle = (anchors: string): string =>
    `apiVersion: certificates.k8s.io/v1\nkind: ClusterTrustBundle\nmetadata: { name: roots }\nspec:\n  trustBundle: ${JSON.stringify(anchors)}\n`
  const textsOf = (trusted: string | undefined): Texts => ({
    'gateway.yaml': gateway(),
    'route.yaml': route('{ backendRefs: [{ name: shop, port: 443 }] }'),
    'policy.yaml': `${api}
kind: BackendTLSPolicy
metadata: { name: shop }
spec:
  targetRefs: [{ group: "", kind: Service, name: shop }]
  validation: { hostname: shop.local, caCertificateRefs: [{ group: certificates.k8s.io, kind: ClusterTrustBundle, name: roots }] }
`,
    'endpoints.yml': `shop: ${at(shop)}\n`,
    ...(trusted === undefined ? {} : { 'bundle.yaml': bundle(trusted) }),
  })
  const texts = await start(textsOf(ours.ca))
  expect(texts.problems()).toEqual([])
  const during: number[] = []
  let ending = false
  const client = async (): Promise<void> => {
    while (!ending) during.push((await ask(texts)).status)
  }
  const traffic = [client(), client()]
  const good = /BackendTLSPolicy default\/shop\n[^]*Accepted=True\n[^]*ResolvedRefs=True\n/
  const bad =
    /BackendTLSPolicy default\/shop\n[^]*Accepted=False NoValidCACertificate[^]*ResolvedRefs=False InvalidCACertificateRef/
  try {
    for (const [trusted, status, told] of [
      [ours.ca, 200, good],
      [stranger.ca, 502, good],
      ['no certificate', 502, bad],
      [ours.ca, 200, good],
      [undefined, 502, bad],
      [ours.ca, 200, good],
    ] as const) {
      await texts.change(textsOf(trusted))
      for (let turn = 0; turn < 10; turn++) expect([trusted, (await ask(texts)).status]).toEqual([trusted, status])
      expect(texts.statuses()).toMatch(told)
    }
  } finally {
    ending = true
    await Promise.all(traffic)
  }
  expect(new Set(during)).toEqual(new Set([200, 502]))
})
