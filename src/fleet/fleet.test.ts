/** A control plane and data planes over real sockets and TLS: who gets what, when, and what happens when either goes. */
import { afterEach, expect, test, vi } from 'vitest'
import { createDeferred } from '../lib/deferred.ts'
import { emptyModel, type Listener, type Model, type Route } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import { planOf, type Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import type { Applied, Compilation, Target } from '../targets/target.ts'
import { createAuthority, type Authority } from './authority.ts'
import { openPublisher, type Publisher, type PublisherOptions } from './publisher.ts'
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
const routesOf = ({ model }: Plan): readonly string[] => model.routes.map(({ id }) => id)
const fleetOf = (id: string): string => id.split('/')[0] ?? ''

const open: (Publisher | Subscriber)[] = []
afterEach(async () => {
  for (const each of open.splice(0)) await ('stop' in each ? each.stop() : each.close())
})

let authority: Authority | undefined
async function control(port = 0, more: Partial<PublisherOptions> = {}): Promise<Publisher> {
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
    ...more,
  })
  open.push(publisher)
  return publisher
}

function dataPlane(
  port: number,
  fleet: string,
  token = issueToken('a key', fleet),
  compileInTurns?: Target<Plan>['compileInTurns'],
): { subscriber: Subscriber; plans: Plan[]; refuse: Set<string> } {
  const plans: Plan[] = []
  const refuse = new Set<string>()
  const target: Target<Plan> = {
    name: 'recording',
    compile: (plan) => ({ artifact: plan, diagnostics: [] }),
    ...(compileInTurns === undefined ? {} : { compileInTurns }),
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
  await publisher.publish(split(first))
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
  await publisher.publish(split(second))
  expect(one.plans.map(routesOf)).toEqual([
    ['a', 'c'],
    ['a', 'c', 'd'],
  ])
  expect(one.plans[1]?.model.routes[0]).toBe(model.routes[0])
  expect(publisher.dataPlanes()).toMatchObject([{ fleet: 'one', name: 'pod', plan: one.plans[1]?.id }])

  await publisher.publish(split({ ...second, routes: [...second.routes, route('e', ['two/http'])] }))
  expect(one.plans).toHaveLength(2)
})

test('a plan that a data plane refuses is not served there, and the next one is', async () => {
  const publisher = await control()
  const split = createSplitter(fleetOf)
  const model = { ...emptyModel, listeners: [listener('one/http')] }
  await publisher.publish(split(model))
  const one = dataPlane(publisher.port, 'one')
  await one.subscriber.first
  const bad = split({ ...model, routes: [route('a', ['one/http'])] })
  one.refuse.add(planOf(bad.get('one')!).id)
  await publisher.publish(bad)
  await publisher.publish(split({ ...model, routes: [route('b', ['one/http'])] }))
  expect(one.plans.map(routesOf)).toEqual([[], ['b']])
})

test('nobody without the token of the fleet gets anything', async () => {
  const publisher = await control()
  await publisher.publish(createSplitter(fleetOf)({ ...emptyModel, listeners: [listener('one/http')] }))
  const stranger = dataPlane(publisher.port, 'one', issueToken('another key', 'one'))
  const neighbour = dataPlane(publisher.port, 'one', issueToken('a key', 'two'))
  const own = dataPlane(publisher.port, 'one')
  await own.subscriber.first
  await publisher.publish(
    createSplitter(fleetOf)({ ...emptyModel, listeners: [listener('one/http'), listener('one/more')] }),
  )
  expect(own.plans).toHaveLength(2)
  expect(stranger.plans).toHaveLength(0)
  expect(neighbour.plans).toHaveLength(0)
})

test('a data plane serves on without its control plane, and follows the next one', async () => {
  const before = await control()
  const split = createSplitter(fleetOf)
  await before.publish(split({ ...emptyModel, listeners: [listener('one/http')] }))
  const one = dataPlane(before.port, 'one')
  await one.subscriber.first
  const { port } = before
  await before.close()
  expect(one.subscriber.plan()?.model.listeners).toHaveLength(1)
  const after = await control(port)
  await after.publish(split({ ...emptyModel, listeners: [listener('one/http'), listener('one/more')] }))
  await vi.waitFor(() => expect(one.subscriber.plan()?.model.listeners).toHaveLength(2), 10_000)
  expect(one.plans).toHaveLength(2)
})

test('who serves already what a control plane says is told nothing, and then only what changes', async () => {
  const model = { ...emptyModel, listeners: [listener('one/http')], routes: [route('a', ['one/http'])] }
  const before = await control()
  await before.publish(createSplitter(fleetOf)(model))
  const one = dataPlane(before.port, 'one')
  await one.subscriber.first
  await before.close()
  const after = await control(before.port, { expected: () => 1 })
  const split = createSplitter(fleetOf)
  // the same, read anew
  await after.publish(split(structuredClone(model)))
  expect(after.dataPlanes()).toMatchObject([{ plan: one.subscriber.plan()?.id }])
  expect(one.plans).toHaveLength(1)
  await after.publish(split({ ...model, routes: [...model.routes, route('b', ['one/http'])] }))
  expect(one.plans.map(routesOf)).toEqual([['a'], ['a', 'b']])
})

test('a data plane that is ready and not here yet is waited for; one that never comes, once', async () => {
  const split = createSplitter(fleetOf)
  const model = { ...emptyModel, listeners: [listener('one/http')] }
  const patient = await control(0, { expected: () => 1 })
  let published = false
  const publishing = patient.publish(split(model)).then(() => (published = true))
  await new Promise((resolve) => setTimeout(resolve, 50))
  expect(published).toBe(false)
  dataPlane(patient.port, 'one')
  await publishing

  const impatient = await control(0, { expected: () => 1, patience: 200 })
  const began = Date.now()
  await impatient.publish(split(model))
  expect(Date.now() - began).toBeGreaterThanOrEqual(190)
  const again = Date.now()
  await impatient.publish(split({ ...model, routes: [route('a', ['one/http'])] }))
  expect(Date.now() - again).toBeLessThan(150)
})

test('data planes go to the control plane that leads, and come over when it changes', async () => {
  const split = createSplitter(fleetOf)
  const model = { ...emptyModel, listeners: [listener('one/http')] }
  let leads = true
  const publisher = await control(0, { welcome: () => leads })
  await publisher.publish(split(model))
  const one = dataPlane(publisher.port, 'one')
  await one.subscriber.first
  leads = false
  publisher.dismiss()
  await vi.waitFor(() => expect(publisher.dataPlanes()).toHaveLength(0))
  // nobody is waited for where nobody is welcome
  await publisher.publish(split({ ...model, routes: [route('a', ['one/http'])] }))
  expect(one.plans).toHaveLength(1)
  leads = true
  await vi.waitFor(() => expect(one.plans.map(routesOf)).toEqual([[], ['a']]), 10_000)
})

test('stopped while a plan is read or compiled, a data plane applies none, and is done when it says so', async () => {
  const publisher = await control(0, { patience: 1 })
  const split = createSplitter(fleetOf)
  await publisher.publish(split({ ...emptyModel, listeners: [listener('one/http')] }))
  const compiled = createDeferred<Compilation<Plan>>()
  let compiling: Plan | undefined
  const one = dataPlane(publisher.port, 'one', undefined, (plan) => {
    compiling ??= plan
    return compiled.promise
  })
  await vi.waitFor(() => expect(compiling).toBeDefined(), 10_000)
  let ended = false
  const stopped = one.subscriber.stop().then(() => {
    ended = true
  })
  await new Promise((resolve) => setImmediate(resolve))
  expect(ended).toBe(false)
  compiled.resolve({ artifact: compiling as unknown as Plan, diagnostics: [] })
  await stopped
  expect(one.plans).toEqual([])
  expect(one.subscriber.plan()).toBeUndefined()
})
