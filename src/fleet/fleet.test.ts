/** A control plane and data planes over real sockets and TLS: who gets what, when, and what happens when either goes. */
import { afterEach, expect, test } from 'vitest'
import { emptyModel, type Listener, type Model, type Route } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import type { Applied, Target } from '../targets/target.ts'
import { createAuthority, type Authority } from './authority.ts'
import { openPublisher, type Publisher } from './publisher.ts'
import { createSplitter } from './split.ts'
import { subscribe, type Subscriber } from './subscriber.ts'
import { fleetOfToken, issueToken } from './token.ts'

const origin = { source: 'test' }
const silent: Events = { emit: () => undefined, diagnostic: () => undefined }
const listener = (id: string): Listener => ({ id, address: '*', port: 80, protocol: 'http', origin })
const route = (id: string, listeners: readonly string[], backend?: string): Route => ({
  id,
  listeners,
  match: {},
  policies: [],
  action:
    backend === undefined
      ? { kind: 'reply', status: 200 }
      : { kind: 'forward', forward: { backends: [{ target: { kind: 'backend', id: backend } }] } },
  origin,
})
const fleetOf = (id: string): string => id.split('/')[0] ?? ''

const open: (Publisher | Subscriber)[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await ('stop' in each ? each.stop() : each.close())
})

let authority: Authority | undefined
async function control(port = 0): Promise<Publisher> {
  authority ??= await createAuthority(['localhost', '127.0.0.1'])
  const publisher = await openPublisher({
    address: '127.0.0.1',
    port,
    certificate: authority.certificate,
    key: authority.key,
    fleetOf: (token) => fleetOfToken('a key', token),
    events: silent,
    // longer than a test may take: none of them may wait for it
    patience: 60_000,
  })
  open.push(publisher)
  return publisher
}

function dataPlane(
  port: number,
  fleet: string,
  token = issueToken('a key', fleet),
): { subscriber: Subscriber; plans: Plan[]; refuse: Set<string> } {
  const plans: Plan[] = []
  const refuse = new Set<string>()
  const target: Target<Plan> = {
    name: 'recording',
    compile: (plan) => ({ artifact: plan, diagnostics: [] }),
    apply: async (plan): Promise<Applied> => {
      if (refuse.has(plan.id)) return { kind: 'refused', diagnostics: [] }
      plans.push(plan)
      return { kind: 'applied', diagnostics: [] }
    },
    stop: async () => undefined,
  }
  const subscriber = subscribe({
    url: `wss://127.0.0.1:${port}`,
    ca: authority?.ca ?? '',
    token,
    fleet,
    name: 'pod',
    target,
    events: silent,
  })
  open.push(subscriber)
  return { subscriber, plans, refuse }
}

test('a fleet gets its own part, then only what changes, and publishing waits until it is served', async () => {
  const publisher = await control()
  const split = createSplitter(fleetOf)
  const key = new Secret('private')
  const first: Model = {
    ...emptyModel,
    listeners: [listener('one/http'), listener('two/http')],
    routes: [route('a', ['one/http'], 'x'), route('b', ['two/http'], 'y'), route('c', ['one/http', 'two/http'])],
    backends: ['x', 'y'].map((id) => ({
      id,
      protocol: 'http1' as const,
      tls: { trust: { kind: 'none' as const }, clientCertificate: `${id}-cert` },
      origin,
    })),
    certificates: ['x-cert', 'y-cert'].map((id) => ({ id, certificate: 'PEM', key, origin })),
  }
  await publisher.publish('p1', split(first))
  const one = dataPlane(publisher.port, 'one')
  await one.subscriber.first
  const { model } = one.plans[0]!
  expect(model.routes.map(({ id, listeners }) => [id, listeners])).toEqual([
    ['a', ['one/http']],
    ['c', ['one/http']],
  ])
  expect(model.certificates.map(({ id }) => id)).toEqual(['x-cert'])
  expect(model.certificates[0]?.key?.reveal()).toBe('private')

  const second = { ...first, routes: [...first.routes, route('d', ['one/http'])] }
  await publisher.publish('p2', split(second))
  expect(one.plans.map(({ id }) => id)).toEqual(['p1', 'p2'])
  expect(one.plans[1]?.model.routes[0]).toBe(model.routes[0])
  expect(publisher.dataPlanes()).toMatchObject([{ fleet: 'one', name: 'pod', plan: 'p2' }])

  await publisher.publish('p3', split({ ...second, routes: [...second.routes, route('e', ['two/http'])] }))
  expect(one.plans).toHaveLength(2)
})

test('a plan that a data plane refuses is not served there, and the next one is', async () => {
  const publisher = await control()
  const split = createSplitter(fleetOf)
  const model = { ...emptyModel, listeners: [listener('one/http')] }
  await publisher.publish('p1', split(model))
  const one = dataPlane(publisher.port, 'one')
  await one.subscriber.first
  one.refuse.add('p2')
  await publisher.publish('p2', split({ ...model, routes: [route('a', ['one/http'])] }))
  await publisher.publish('p3', split({ ...model, routes: [route('b', ['one/http'])] }))
  expect(one.plans.map(({ id }) => id)).toEqual(['p1', 'p3'])
  expect(one.plans[1]?.model.routes.map(({ id }) => id)).toEqual(['b'])
})

test('nobody without the token of the fleet gets anything', async () => {
  const publisher = await control()
  await publisher.publish('p1', createSplitter(fleetOf)({ ...emptyModel, listeners: [listener('one/http')] }))
  const stranger = dataPlane(publisher.port, 'one', issueToken('another key', 'one'))
  const neighbour = dataPlane(publisher.port, 'one', issueToken('a key', 'two'))
  const own = dataPlane(publisher.port, 'one')
  await own.subscriber.first
  await publisher.publish(
    'p2',
    createSplitter(fleetOf)({ ...emptyModel, listeners: [listener('one/http'), listener('one/more')] }),
  )
  expect(own.plans).toHaveLength(2)
  expect(stranger.plans).toHaveLength(0)
  expect(neighbour.plans).toHaveLength(0)
})

test('a data plane serves on without its control plane, and follows the next one', async () => {
  const before = await control()
  const split = createSplitter(fleetOf)
  await before.publish('p1', split({ ...emptyModel, listeners: [listener('one/http')] }))
  const one = dataPlane(before.port, 'one')
  await one.subscriber.first
  const { port } = before
  await before.close()
  expect(one.subscriber.plan()?.id).toBe('p1')
  const after = await control(port)
  await after.publish('p2', split({ ...emptyModel, listeners: [listener('one/http'), listener('one/more')] }))
  while (one.subscriber.plan()?.id !== 'p2') await new Promise((resolve) => setTimeout(resolve, 10))
  expect(one.plans.map(({ id }) => id)).toEqual(['p1', 'p2'])
})
