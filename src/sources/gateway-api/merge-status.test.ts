/** What stands in a status and is not ours stays as it is; what says so already is not written. */
import { describe, expect, test } from 'vitest'
import type { Json } from './merge-status.ts'
import { mergeStatus, withoutOurs } from './merge-status.ts'
import type { Condition, ObjectStatus } from './status.ts'

const options = { controllerName: 'example.org/ours', now: '2026-11-21T12:00:00Z' }
const condition = (type: string, status: Condition['status'], observedGeneration = 2): Condition => ({
  type,
  status,
  reason: type,
  message: 'm',
  observedGeneration,
})
const foreign = {
  type: 'Foreign',
  status: 'True',
  reason: 'Theirs',
  message: '',
  observedGeneration: 1,
  lastTransitionTime: '2020-01-01T00:00:00Z',
  extra: 7,
}
const reference = { group: 'gateway.networking.k8s.io', kind: 'Gateway', namespace: 'default', name: 'web' }

const gateway = (...conditions: readonly Condition[]): ObjectStatus => ({
  kind: 'Gateway',
  metadata: { name: 'web', namespace: 'default' },
  status: {
    addresses: [],
    conditions,
    attachedListenerSets: 0,
    listeners: [{ name: 'http', supportedKinds: [], attachedRoutes: 1, conditions: [condition('Accepted', 'True')] }],
  },
})
const route = (...names: readonly string[]): ObjectStatus => ({
  kind: 'HTTPRoute',
  metadata: { name: 'r', namespace: 'default' },
  status: {
    parents: names.map((name) => ({
      parentRef: { ...reference, name },
      controllerName: options.controllerName,
      conditions: [condition('Accepted', 'True')],
    })),
  },
})

describe('conditions', () => {
  test('what says so already is not written again', () => {
    const once = mergeStatus(undefined, gateway(condition('Accepted', 'True')), options)
    expect(once).toBeDefined()
    expect(mergeStatus(once, gateway(condition('Accepted', 'True')), { ...options, now: 'later' })).toBeUndefined()
  })

  test('types of others stay equal in every field, on the Gateway and on its listeners', () => {
    const once = mergeStatus(undefined, gateway(condition('Accepted', 'True')), options)!
    const touched: Json = {
      ...once,
      theirs: { a: 1 },
      conditions: [foreign, ...(once['conditions'] as Json[])],
      listeners: [{ ...(once['listeners'] as Json[])[0], conditions: [foreign] }],
    }
    const next = mergeStatus(touched, gateway(condition('Accepted', 'True', 3)), options)!
    expect((next['conditions'] as Json[])[0]).toEqual(foreign)
    expect((next['conditions'] as Json[])[1]).toMatchObject({ type: 'Accepted', observedGeneration: 3 })
    expect(((next['listeners'] as Json[])[0]!['conditions'] as Json[])[0]).toEqual(foreign)
    expect(next['theirs']).toEqual({ a: 1 })
  })

  test('the time changes with the status alone', () => {
    const old = { ...condition('Accepted', 'True', 1), lastTransitionTime: '2020-01-01T00:00:00Z' }
    const kept = mergeStatus({ conditions: [old] }, gateway(condition('Accepted', 'True')), options)!
    expect((kept['conditions'] as Json[])[0]!['lastTransitionTime']).toBe('2020-01-01T00:00:00Z')
    const turned = mergeStatus({ conditions: [old] }, gateway(condition('Accepted', 'False')), options)!
    expect((turned['conditions'] as Json[])[0]!['lastTransitionTime']).toBe(options.now)
  })

  test('a condition about a later generation is left alone, one of ours that no longer holds goes', () => {
    const later = { ...condition('Accepted', 'False', 9), lastTransitionTime: 't' }
    const gone = { ...condition('InsecureFrontendValidationMode', 'True', 1), lastTransitionTime: 't' }
    const next = mergeStatus({ conditions: [later, gone] }, gateway(condition('Accepted', 'True')), options)!
    expect(next['conditions']).toEqual([later])
  })

  test('never more than eight', () => {
    const many = Array.from({ length: 7 }, (_, index) => ({ ...foreign, type: `Foreign${index}` }))
    const next = mergeStatus(
      { conditions: many },
      gateway(condition('Accepted', 'True'), condition('Programmed', 'True')),
      options,
    )!
    expect((next['conditions'] as Json[]).length).toBe(8)
  })
})

describe('entries', () => {
  const theirs = {
    parentRef: { ...reference, name: 'absent' },
    controllerName: 'example.org/theirs',
    conditions: [foreign],
    odd: true,
  }

  test('of other controllers keep place and content', () => {
    const next = mergeStatus({ parents: [theirs] }, route('web'), options)!
    expect((next['parents'] as Json[])[0]).toBe(theirs)
    expect((next['parents'] as Json[]).length).toBe(2)
    expect(mergeStatus(next, route('web'), options)).toBeUndefined()
  })

  test('of ours go with the parent, and nothing else does', () => {
    const both = mergeStatus({ parents: [theirs] }, route('web', 'other'), options)!
    const one = mergeStatus(both, route('other'), options)!
    expect((one['parents'] as Json[]).map((each) => (each['parentRef'] as Json)['name'])).toEqual(['absent', 'other'])
    expect(withoutOurs(one, 'parents', options)!['parents']).toEqual([theirs])
    expect(withoutOurs({ parents: [theirs] }, 'parents', options)).toBeUndefined()
  })
})
