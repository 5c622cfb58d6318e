/** A text that is translated again gives the objects of the last time, but for those that say something else. */
import { expect, test } from 'vitest'
import { emptyModel, type Model, type Route } from '../model/model.ts'
import { createInterner } from './interned.ts'
import { prepare } from './run.ts'

const origin = { source: 'test' }
const route = (id: string, status: number): Route => ({
  id,
  listeners: [],
  match: {},
  policies: [],
  action: { kind: 'reply', status },
  origin,
})
const modelOf = (...routes: readonly Route[]): Model => ({ ...emptyModel, routes })

test('what is equal is the same object', () => {
  const intern = createInterner()
  const first = intern(modelOf(route('a', 200), route('b', 200), route('c', 200)))
  const second = intern(modelOf(route('new', 200), route('a', 200), route('b', 404), route('c', 200)))
  expect(second).toEqual(modelOf(route('new', 200), route('a', 200), route('b', 404), route('c', 200)))
  expect(second.routes[1]).toBe(first.routes[0])
  expect(second.routes[2]).not.toBe(first.routes[1])
  expect(second.routes[3]).toBe(first.routes[2])
})

test('the same model stays the same, and the plan too', () => {
  const intern = createInterner()
  const model = modelOf(route('a', 200))
  expect(intern(model)).toBe(intern(model))
  expect(prepare([{ model: intern(model) }]).plan.id).toBe(prepare([{ model }]).plan.id)
})

test('what was written on another line is another object: diagnostics must say the line of now', () => {
  const intern = createInterner()
  const at = (line: number): Model => modelOf({ ...route('a', 200), origin: { ...origin, line } })
  const first = intern(at(1))
  const moved = intern(at(2))
  expect(moved.routes[0]).not.toBe(first.routes[0])
  expect(moved.routes[0]?.origin.line).toBe(2)
})
