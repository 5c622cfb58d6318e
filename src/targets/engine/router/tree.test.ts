/** Trees that came out of others, entry by entry: the tree made from nothing, and the others unharmed. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { isEmpty, Node, withEntry, withoutEntry, type Ordered, type Place } from './tree.ts'

interface Standing {
  readonly text: string
  readonly place: Place
  readonly entry: Ordered
}

/** Labels with what stands there. How children are held is left out. */
function drawn(node: Node<Ordered>, indent = ''): string {
  const { exact, either, prefix, start, patterns } = node
  const held = Object.entries({ exact, either, prefix, start, patterns }).map(
    ([name, entries]) => ` ${name}=${(entries ?? []).map(({ index }) => index).join(',')}`,
  )
  const below: Node<Ordered>[] = []
  for (let { child } = node; child !== undefined; child = child.sibling) below.push(child)
  for (const child of node.table ?? []) if (child !== undefined) below.push(child)
  const sound =
    (node.child === undefined || node.table === undefined) &&
    below.every(({ code, label }) => code === label.charCodeAt(0)) &&
    (node.table === undefined || below.every(({ sibling }) => sibling === undefined))
  if (!sound) throw new Error(`a node with two kinds of children, or with a wrong one: ${node.label}`)
  return [
    `${indent}${JSON.stringify(node.label)}${held.join('')}`,
    ...below.toSorted((a, b) => a.code - b.code).map((child) => drawn(child, `${indent}  `)),
  ].join('\n')
}

const text = fc.oneof(
  fc.string({ unit: fc.constantFrom('a', 'b', '/'), maxLength: 5 }),
  fc.string({ unit: fc.constantFrom('a', 'b', 'c', 'd', 'e', 'z', '\u{1234}'), maxLength: 2 }),
)
const place = fc.constantFrom<Place>('exact', 'either', 'prefix', 'start', 'patterns')
const standings = fc
  .array(fc.tuple(text, place, fc.nat({ max: 9 })), { maxLength: 40 })
  .map((list) => list.map(([at, kind, turn], index) => ({ text: at, place: kind, entry: { index }, turn })))

function make(list: readonly Standing[]): Node<Ordered> {
  const owner = {}
  let root = new Node<Ordered>('', owner)
  for (const one of list) root = withEntry(root, one.text, one.place, one.entry, owner)
  return root
}

test('in and out, in any order', () => {
  fc.assert(
    fc.property(standings, fc.infiniteStream(fc.nat()), (list, random) => {
      let standing: Standing[] = []
      let root = make([])
      for (let turn = 0; turn < 10; turn++) {
        const before = drawn(root)
        const [owner, old] = [{}, root]
        for (const one of list) {
          const there = standing.includes(one)
          const wanted = one.turn <= turn && Number(random.next().value) % 3 > 0
          if (wanted) root = withEntry(root, one.text, one.place, one.entry, owner)
          else root = withoutEntry(root, one.text, one.place, one.entry, owner)
          if (there !== wanted) standing = there ? standing.filter((each) => each !== one) : [...standing, one]
        }
        expect(drawn(root)).toBe(drawn(make(standing.toSorted((a, b) => a.entry.index - b.entry.index))))
        expect(drawn(old)).toBe(before)
        expect(isEmpty(root)).toBe(standing.length === 0)
      }
    }),
    { numRuns: 100 },
  )
})

test('one more entry makes as many nodes as its way is long', () => {
  const list = Array.from({ length: 1000 }, (_, index) => ({
    text: `/service${index}/v1`,
    place: 'exact' as const,
    entry: { index },
  }))
  const root = make(list)
  const owner = {}
  const next = withEntry(root, '/service500/v2', 'exact', { index: 1000 }, owner)
  let own = 0
  const visit = (node: Node<Ordered>): void => {
    if (node.owner === owner) own++
    for (let { child } = node; child !== undefined; child = child.sibling) visit(child)
    for (const child of node.table ?? []) if (child !== undefined) visit(child)
  }
  visit(next)
  expect(own).toBeLessThan(12)
})
