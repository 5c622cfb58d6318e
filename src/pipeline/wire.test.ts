/** Plans survive the way to another process, a few items at a time, and what did not change is the same object there. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { emptyModel, type Model, type Route } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import { PlanReader, PlanWriter, type PlanMessage } from './wire.ts'

const origin = { source: 'test' }
const route = (id: string): Route => ({
  id,
  listeners: ['l'],
  match: {},
  policies: [],
  action: { kind: 'reply', status: 200 },
  origin,
})

function wire(): { send(model: Model): Model; readonly sent: PlanMessage[] } {
  const writer = new PlanWriter()
  const reader = new PlanReader()
  const sent: PlanMessage[] = []
  return {
    sent,
    send: (model) => {
      sent.length = 0
      let plan
      for (const message of writer.write({ id: 'x', model })) {
        expect(plan).toBeUndefined()
        sent.push(message)
        plan = reader.read(JSON.parse(JSON.stringify(message)) as PlanMessage)
      }
      if (plan === undefined) throw new Error('no plan was sent')
      return plan.model
    },
  }
}

test('arrive as they were, secrets too, and what did not change is the same object', () => {
  const certificate = { id: 'c', certificate: 'pem', key: new Secret('key'), origin }
  const one: Model = { ...emptyModel, routes: [route('all')], certificates: [certificate] }
  const { send, sent } = wire()
  const first = send(one)
  expect({ ...first, certificates: [] }).toEqual({ ...one, certificates: [] })
  expect(first.certificates[0]?.key?.reveal()).toBe('key')
  const second = send({ ...one, routes: [route('more'), ...one.routes] })
  expect(second.certificates).toBe(first.certificates)
  expect(second.routes[1]).toBe(first.routes[0])
  expect(second.routes[0]).toEqual(route('more'))
  expect(sent).toHaveLength(2)
  expect(JSON.stringify(sent)).not.toContain('"pem"')
})

test('no message is long', () => {
  const { send, sent } = wire()
  const routes = Array.from({ length: 1000 }, (_, at) => route(`r${at}`))
  expect(send({ ...emptyModel, routes }).routes).toEqual(routes)
  expect(sent).toHaveLength(21)
})

test('any order of plans over a set of routes is read as it was written', () => {
  const routes = Array.from({ length: 8 }, (_, at) => route(`r${at}`))
  fc.assert(
    fc.property(fc.array(fc.uniqueArray(fc.nat(7)), { maxLength: 12 }), (plans) => {
      const { send } = wire()
      for (const plan of plans) {
        const model: Model = { ...emptyModel, routes: plan.map((at) => routes[at] ?? route('none')) }
        expect(send(model).routes).toEqual(model.routes)
      }
    }),
  )
})

test('a plan whose items did not come is refused', () => {
  const writer = new PlanWriter()
  const reader = new PlanReader()
  const [, last] = [...writer.write({ id: 'x', model: { ...emptyModel, routes: [route('a')] } })]
  if (last === undefined) throw new Error('nothing was written')
  expect(() => reader.read(last)).toThrow(RangeError)
})
