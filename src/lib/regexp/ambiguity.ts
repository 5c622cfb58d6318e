/** Tree of a pattern → degree of its ambiguity: 0 linear, 1 quadratic …, Infinity exponential or too large to know. Pure. */
import type { Tree } from './parse.ts'

const mostPositions = 400
const mostSteps = 200_000

/** `optional: 'loop'` reads `x?` as `x*`: what it then finds to be a long chain is exponential in the pattern's length. */
export function ambiguity(
  tree: Tree,
  options: { readonly ignoreCase: boolean; readonly optional: 'as-written' | 'loop' },
): number {
  const automaton = new Automaton(options)
  try {
    automaton.build(tree)
    return automaton.degree()
  } catch (error) {
    if (error instanceof TooLarge) return Infinity
    throw error
  }
}

class TooLarge extends Error {}

interface Piece {
  readonly first: readonly number[]
  readonly last: readonly number[]
  readonly nullable: boolean
}

/** Glushkov's automaton: one state for each character of the pattern; an edge counts in how many ways it came about. */
class Automaton {
  readonly #flags: string
  readonly #optionalLoops: boolean
  readonly #sets: bigint[] = []
  readonly #known = new Map<string, bigint>()
  readonly #edges: Map<number, number>[] = []
  #steps = 0

  constructor(options: { readonly ignoreCase: boolean; readonly optional: 'as-written' | 'loop' }) {
    this.#flags = options.ignoreCase ? 'i' : ''
    this.#optionalLoops = options.optional === 'loop'
  }

  build(tree: Tree): Piece {
    switch (tree.kind) {
      case 'empty':
        return { first: [], last: [], nullable: true }
      case 'set': {
        const position = this.#sets.length
        if (position >= mostPositions) throw new TooLarge()
        this.#sets.push(this.#setOf(tree.source))
        this.#edges.push(new Map())
        return { first: [position], last: [position], nullable: false }
      }
      case 'choice': {
        const pieces = tree.of.map((branch) => this.build(branch))
        return {
          first: pieces.flatMap((piece) => piece.first),
          last: pieces.flatMap((piece) => piece.last),
          nullable: pieces.some((piece) => piece.nullable),
        }
      }
      case 'sequence':
        return tree.of.reduce<Piece>((before, part) => this.#append(before, this.build(part)), {
          first: [],
          last: [],
          nullable: true,
        })
      case 'repeat':
        return this.#repeat(tree.of, tree.least, tree.most)
    }
  }

  #append(before: Piece, after: Piece): Piece {
    this.#connect(before.last, after.first)
    return {
      first: before.nullable ? [...before.first, ...after.first] : before.first,
      last: after.nullable ? [...before.last, ...after.last] : after.last,
      nullable: before.nullable && after.nullable,
    }
  }

  #connect(from: readonly number[], to: readonly number[]): void {
    for (const state of from) {
      const edges = this.#edges[state] as Map<number, number>
      for (const next of to) {
        if (++this.#steps > mostSteps) throw new TooLarge()
        edges.set(next, (edges.get(next) ?? 0) + 1)
      }
    }
  }

  #repeat(body: Tree, least: number, most: number): Piece {
    const before = this.#sets.length
    const once = this.build(body)
    const size = this.#sets.length - before
    // many copies behave as a loop does, only shorter
    const loop = this.#optionalLoops ? most > 4 || (least === 0 && most > 0) : most > 1 && size * most > 20
    if (most === Infinity || loop) {
      this.#connect(once.last, once.first)
      return { ...once, nullable: once.nullable || least === 0 }
    }
    if (most === 0) return { first: [], last: [], nullable: true }
    let whole: Piece = { ...once, nullable: once.nullable || least === 0 }
    for (let copy = 1; copy < most; copy++) {
      const piece = this.build(body)
      whole = this.#append(whole, { ...piece, nullable: piece.nullable || copy >= least })
    }
    return whole
  }

  /** Which characters of the sample the pattern of one character takes. */
  #setOf(source: string): bigint {
    let set = this.#known.get(source)
    if (set === undefined) {
      const regexp = new RegExp(`^(?:${source})$`, this.#flags)
      set = sample.reduce(
        (bits, character, index) => (regexp.test(character) ? bits | (1n << BigInt(index)) : bits),
        0n,
      )
      this.#known.set(source, set)
    }
    return set
  }

  degree(): number {
    const component = components(this.#edges)
    return this.#exponential(component) ? Infinity : this.#chain(component)
  }

  #overlap(one: number, other: number): boolean {
    return ((this.#sets[one] as bigint) & (this.#sets[other] as bigint)) !== 0n
  }

  /**
   * Does some state come back to itself in two ways over one word? In the graph of pairs of states of one loop, which two
   * runs are in at the same time: is there a pair of different states behind and before a pair of equal ones?
   */
  #exponential(component: Int32Array): boolean {
    const size = this.#sets.length
    const backward = new Map<number, number[]>()
    const seen = new Set<number>()
    const work: number[] = []
    for (const [state, edges] of this.#edges.entries()) {
      if (component[state] === -1) continue
      work.push(state * size + state)
      for (const [next, ways] of edges) if (ways > 1 && component[state] === component[next]) return true
    }
    for (let key = work.pop(); key !== undefined; key = work.pop()) {
      if (seen.has(key)) continue
      seen.add(key)
      for (const next of this.#pairs(Math.floor(key / size), key % size, component)) {
        backward.set(next, [...(backward.get(next) ?? []), key])
        work.push(next)
      }
    }
    const returns = new Set<number>()
    for (const key of seen) if (Math.floor(key / size) === key % size) work.push(key)
    for (let key = work.pop(); key !== undefined; key = work.pop()) {
      for (const before of backward.get(key) ?? []) {
        if (returns.has(before)) continue
        returns.add(before)
        work.push(before)
      }
    }
    for (const key of returns) if (Math.floor(key / size) !== key % size) return true
    return false
  }

  #pairs(one: number, other: number, component: Int32Array): number[] {
    const found: number[] = []
    for (const left of this.#edges[one]?.keys() ?? []) {
      if (component[left] !== component[one]) continue
      for (const right of this.#edges[other]?.keys() ?? []) {
        if (++this.#steps > mostSteps) throw new TooLarge()
        if (component[right] === component[other] && this.#overlap(left, right)) {
          found.push(left * this.#sets.length + right)
        }
      }
    }
    return found
  }

  /** The longest chain of loops in which one word leads around one, around the next, and from the one to the other. */
  #chain(component: Int32Array): number {
    const count = Math.max(-1, ...component) + 1
    const members = Array.from({ length: count }, (): number[] => [])
    component.forEach((loop, state) => {
      if (loop !== -1) members[loop]?.push(state)
    })
    const degrees: number[] = []
    // a loop's number is larger than those of the loops that it leads to
    for (let from = 0; from < count; from++) {
      const reached = this.#reachable(members[from] ?? [])
      let degree = 0
      for (let to = 0; to < from; to++) {
        if (!(members[to] ?? []).some((state) => reached.has(state))) continue
        const shares = this.#shareWord(members[from] ?? [], members[to] ?? [])
        degree = Math.max(degree, (degrees[to] ?? 0) + (shares ? 1 : 0))
      }
      degrees.push(degree)
    }
    return Math.max(0, ...degrees)
  }

  #reachable(from: readonly number[]): Set<number> {
    const seen = new Set(from)
    for (const state of seen) for (const next of this.#edges[state]?.keys() ?? []) seen.add(next)
    return seen
  }

  #shareWord(from: readonly number[], to: readonly number[]): boolean {
    const inFrom = new Set(from)
    const inTo = new Set(to)
    return from.some((start) => to.some((end) => this.#triple(start, end, inFrom, inTo)))
  }

  /** Three runs over one word: start to start, start to end, end to end. */
  #triple(start: number, end: number, inFrom: ReadonlySet<number>, inTo: ReadonlySet<number>): boolean {
    const size = this.#sets.length
    const keyOf = (one: number, two: number, three: number): number => (one * size + two) * size + three
    const goal = keyOf(start, end, end)
    const seen = new Set<number>()
    const work: [number, number, number][] = [[start, start, end]]
    for (let runs = work.pop(); runs !== undefined; runs = work.pop()) {
      for (const one of this.#edges[runs[0]]?.keys() ?? []) {
        if (!inFrom.has(one)) continue
        for (const three of this.#edges[runs[2]]?.keys() ?? []) {
          if (!inTo.has(three) || !this.#overlap(one, three)) continue
          for (const two of this.#edges[runs[1]]?.keys() ?? []) {
            if (++this.#steps > mostSteps) throw new TooLarge()
            if (!this.#overlap(one, two) || !this.#overlap(two, three)) continue
            const key = keyOf(one, two, three)
            if (key === goal) return true
            if (seen.has(key)) continue
            seen.add(key)
            work.push([one, two, three])
          }
        }
      }
    }
    return false
  }
}

/** Of each state the number of its loop, -1 outside of loops; the numbers fall along the edges (Tarjan's order). */
function components(edges: readonly ReadonlyMap<number, number>[]): Int32Array {
  const order = new Int32Array(edges.length).fill(-1)
  const low = new Int32Array(edges.length)
  const component = new Int32Array(edges.length).fill(-1)
  const done = new Uint8Array(edges.length)
  const stack: number[] = []
  let clock = 0
  let count = 0
  // as deep as there are states, which are few
  const visit = (state: number): void => {
    order[state] = low[state] = clock++
    stack.push(state)
    for (const next of edges[state]?.keys() ?? []) {
      if (order[next] === -1) visit(next)
      if (done[next] === 0) low[state] = Math.min(low[state] ?? 0, low[next] ?? 0)
    }
    if (low[state] !== order[state]) return
    const members = stack.splice(stack.indexOf(state))
    const loops = members.length > 1 || edges[state]?.has(state) === true
    for (const member of members) {
      done[member] = 1
      if (loops) component[member] = count
    }
    if (loops) count++
  }
  for (let state = 0; state < edges.length; state++) if (order[state] === -1) visit(state)
  return component
}

/** Latin-1, for that is what paths and header fields are made of, and a few from beyond. */
const sample = [
  ...Array.from({ length: 256 }, (_, code) => String.fromCharCode(code)),
  ...'\u0100\u017f\u0391\u0430\u2028\u212a\u4e2d\ud83d\ufeff',
]
