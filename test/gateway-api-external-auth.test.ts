/** Gateway API with a service that is asked before routing and before forwarding → which route a request takes, and what stops it. */
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { Served } from '../src/targets/engine/testing.ts'
import { serveGatewayApi } from './servers/gateway-api.ts'

const objects = `
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: { name: web }
spec:
  gatewayClassName: gantry
  listeners:
    - name: http
      port: 80
      protocol: HTTP
      filters:
        requests:
          - type: ExternalAuth
            externalAuth:
              protocol: HTTP
              backendRef: { name: judge, port: 80 }
              http: { path: /listener, allowedHeaders: [x-user], allowedResponseHeaders: [x-tier, host] }
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: { name: shop }
spec:
  parentRefs: [{ name: web }]
  rules:
    - name: gold
      matches: [{ headers: [{ name: x-tier, value: gold }] }]
      filters:
        - type: ExternalAuth
          externalAuth:
            protocol: HTTP
            backendRef: { name: judge, port: 80 }
            http: { path: /rule, allowedHeaders: [x-user] }
      backendRefs: [{ name: echo, port: 80 }]
    - name: tin
      matches: [{ headers: [{ name: x-tier, value: tin }] }]
      backendRefs: [{ name: echo, port: 80 }]
`

let judge: Server
let echo: Server
let served: Served
const asked: string[] = []

const start = async (handle: Parameters<typeof createServer>[1]): Promise<Server> => {
  const server = createServer(handle)
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return server
}
const portOf = (server: Server): number => (server.address() as AddressInfo).port

beforeAll(async () => {
  // jane is gold, joe is gold and may not; who is nobody is not let in; tin is for everybody else
  judge = await start((incoming, response) => {
    const user = incoming.headers['x-user']
    asked.push(`${incoming.url} ${String(user)}`)
    const [, place] = (incoming.url ?? '').split('/')
    if (user === undefined) response.statusCode = 401
    else if (place === 'rule' && user === 'joe') response.statusCode = 403
    else if (place === 'listener') {
      response.setHeader('x-tier', user === 'jane' || user === 'joe' ? 'gold' : 'tin')
      response.setHeader('host', 'evil.example')
    }
    response.end(place)
  })
  echo = await start((incoming, response) => response.end(JSON.stringify(incoming.headers)))
  const endpoints = `judge: 127.0.0.1:${portOf(judge)}\necho: 127.0.0.1:${portOf(echo)}\n`
  const texts = await serveGatewayApi({ 'all.yaml': objects, 'endpoints.yml': endpoints })
  expect(texts.problems()).toEqual([])
  served = texts.served
})
afterAll(async () => {
  await served.stop()
  for (const server of [judge, echo]) {
    server.closeAllConnections()
    await new Promise<void>((resolve) => server.close(() => resolve()))
  }
})

interface Answer {
  readonly status: number
  readonly body: string
  readonly asked: readonly string[]
}

const call = (headers: IncomingHttpHeaders): Promise<Answer> =>
  new Promise((resolve, reject) => {
    const before = asked.length
    const sent = request(
      { host: '127.0.0.1', port: served.port, path: '/a', agent: false, headers: { host: 'shop.example', ...headers } },
      (response) => {
        let body = ''
        response.setEncoding('utf8')
        response.on('data', (piece: string) => (body += piece))
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body, asked: asked.slice(before) }))
      },
    )
    sent.on('error', reject).end()
  })

test('what the listener’s filter says decides the route, and the host stays', async () => {
  const gold = await call({ 'x-user': 'jane' })
  expect(gold).toMatchObject({ status: 200, asked: ['/listener/a jane', '/rule/a jane'] })
  expect(JSON.parse(gold.body)).toMatchObject({ 'x-tier': 'gold', host: 'shop.example' })
  expect(await call({ 'x-user': 'jim' })).toMatchObject({ status: 200, asked: ['/listener/a jim'] })
})

test('a client cannot say what only the filter may', async () => {
  const answer = await call({ 'x-user': 'jim', 'x-tier': 'gold' })
  expect(answer.asked).toEqual(['/listener/a jim'])
  expect(JSON.parse(answer.body)).toMatchObject({ 'x-tier': 'tin' })
})

test('who is stopped before routing meets no route; a rule stops its own', async () => {
  expect(await call({})).toEqual({ status: 401, body: 'listener', asked: ['/listener/a undefined'] })
  expect(await call({ 'x-user': 'joe' })).toMatchObject({ status: 403, body: 'rule' })
})
