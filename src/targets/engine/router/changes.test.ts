/** A table that came out of others, change by change, is the table made from nothing; those before it stay as they were. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { atOnce } from '../../../lib/turns.ts'
import { NONE, keysOf, placesOf } from './order.ts'
import { agree, list as rules, numberedRule, request } from './testing/arbitrary.ts'
import { compileRules, type Rule } from './testing/rules.ts'

type Change = (list: readonly Rule<number>[]) => readonly Rule<number>[]

const place = fc.double({ min: 0, max: 1, noNaN: true })
const at = (list: readonly unknown[], where: number): number => Math.floor(where * list.length)
const change: fc.Arbitrary<Change> = fc.oneof(
  fc.tuple(place, fc.array(numberedRule, { minLength: 1, maxLength: 4 })).map(
    ([where, some]): Change =>
      (list) =>
        list.toSpliced(at(list, where), 0, ...some),
  ),
  fc.tuple(place, fc.nat({ max: 3 })).map(
    ([where, count]): Change =>
      (list) =>
        list.toSpliced(at(list, where), count),
  ),
  fc.tuple(place, numberedRule).map(
    ([where, one]): Change =>
      (list) =>
        list.toSpliced(at(list, where), 1, one),
  ),
  fc.tuple(place, place).map(([from, to]): Change => (list) => {
    const moved = list.slice(at(list, from), at(list, from) + 1)
    const rest = list.toSpliced(at(list, from), 1)
    return rest.toSpliced(at(rest, to), 0, ...moved)
  }),
  // what is meant is the same, but it is another object: everything is new
  fc.constant<Change>((list) => list.map((rule) => ({ ...rule }))),
  fc.constant<Change>((list) => list.toReversed()),
  fc.constant<Change>((list) => list),
)

test('change by change', () => {
  let hits = 0
  fc.assert(
    fc.property(
      rules,
      fc.array(change, { minLength: 1, maxLength: 6 }),
      fc.array(request, { minLength: 1, maxLength: 6 }),
      (first, changes, asked) => {
        let list: readonly Rule<number>[] = first
        let table = compileRules(list)
        const history = [{ list, table }]
        for (const one of changes) {
          list = one(list)
          table = compileRules(list, table)
          history.push({ list, table })
        }
        for (const each of history) for (const one of asked) hits += agree(each.table, each.list, one)
      },
    ),
    { numRuns: 500 },
  )
  expect(hits).toBeGreaterThan(1000)
})

test('what did not change is the same table', () => {
  const [list] = fc.sample(fc.array(numberedRule, { minLength: 5, maxLength: 25 }), { numRuns: 1, seed: 1 })
  const { table } = compileRules(list ?? [])
  expect(compileRules([...(list ?? [])], { table, find: () => undefined }).table).toBe(table)
})

test('one rule in front of the last, thousands of times: keys run out of room, and are given anew', () => {
  const rule = (value: number): Rule<number> => ({
    hosts: [{ kind: 'exact', name: `h${value % 7}` }],
    match: { path: { kind: 'prefix', value: value % 2 === 0 ? '/' : '/a' } },
    value,
  })
  for (const where of [0, -1, 10]) {
    let list: readonly Rule<number>[] = Array.from({ length: 20 }, (_, value) => rule(value))
    let table = compileRules(list)
    for (let value = 20; value < 1500; value++) {
      list = list.toSpliced(where, 0, rule(value))
      table = compileRules(list, table)
    }
    for (let host = 0; host < 7; host++) {
      for (const path of ['/a/b', '/'])
        agree(table, list, {
          host: `h${host}`,
          path,
          method: 'GET',
          query: '',
          header: () => undefined,
          clientCertificate: 'absent',
        })
    }
  }
}, 30_000)

test('as much as can stays, in order, and keys grow', () => {
  const permuted = fc.shuffledSubarray(Array.from({ length: 30 }, (_, value) => value))
  fc.assert(
    fc.property(permuted, permuted, (before, after) => {
      const entries = before.map((value, index) => ({ value, index: 10 * index }))
      const places = [...atOnce(placesOf(entries, ({ value }) => value, after))]
      const stay = places.filter((one) => one !== NONE)
      expect(stay).toEqual(stay.toSorted((a, b) => a - b))
      expect(new Set(stay).size).toBe(stay.length)
      places.forEach((one, index) => one === NONE || expect(before[one]).toBe(after[index]))
      expect(stay.length).toBe(longestCommon(before, after))
      const keys = [...keysOf(Int32Array.from(places), (one) => entries[one]?.index ?? NONE)]
      expect(keys).toEqual([...new Set(keys)].toSorted((a, b) => a - b))
      expect(Math.min(0, ...keys)).toBe(0)
    }),
  )
})

/** The textbook's table. */
function longestCommon(a: readonly number[], b: readonly number[]): number {
  let row = b.map(() => 0)
  for (const one of a) {
    const next: number[] = []
    b.forEach((other, index) => {
      const diagonal = index === 0 ? 0 : (row[index - 1] ?? 0)
      next.push(one === other ? diagonal + 1 : Math.max(row[index] ?? 0, next[index - 1] ?? 0))
    })
    row = next
  }
  return row.at(-1) ?? 0
}
