/**
 * What makes translation quick: every answer knows which answers it was made from. When something in the world changes,
 * only what may depend on it is looked at again, and an answer that comes out the same stops the search. There is no
 * second, incremental translation: an answer is always computed by the one function, from nothing but other answers.
 */

/** A question is a short text; its first word says what is asked. */
export type Ask = (question: string) => unknown

/** `before` is the last answer: returned again where it still says the same, it spares everybody who used it. */
export type Answer = (question: string, ask: Ask, before: unknown) => unknown

interface Node {
  readonly question: string
  value: unknown
  /** `check`: something below may have changed. */
  state: 'clean' | 'check' | 'dirty' | 'computing'
  sources: Map<Node, unknown>
  readonly dependents: Set<Node>
  /** The last round in which it was asked from outside. */
  round: number
}

export class Graph {
  readonly #answer: Answer
  readonly #nodes = new Map<string, Node>()
  /** Nodes of things that are asked about each round: looking them up by text would cost more than all the rest. */
  readonly #known = new WeakMap<object, Node>()
  #roots: Node[] = []
  #lastRoots: Node[] = []
  #round = 0
  /** How many answers were computed since `begin`; for tests and measurements. */
  computed = 0

  constructor(answer: Answer) {
    this.#answer = answer
  }

  begin(): void {
    this.computed = 0
    this.#lastRoots = this.#roots
    this.#roots = []
    this.#round++
  }

  /** The answer to this question has changed, or may have. */
  invalidate(question: string): void {
    const node = this.#nodes.get(question)
    if (node === undefined) return
    node.state = 'dirty'
    const open = [...node.dependents]
    for (let next = open.pop(); next !== undefined; next = open.pop()) {
      if (next.state !== 'clean') continue
      next.state = 'check'
      open.push(...next.dependents)
    }
  }

  /** Asks from outside. What is not asked again in the next round is forgotten, with all that only it needed. */
  root(question: string): unknown {
    return this.#pullRoot(this.#node(question))
  }

  /** The same about a thing: equal things must always be asked the same question. */
  rootOf(thing: object, question: () => string): unknown {
    let node = this.#known.get(thing)
    // a node that was forgotten meanwhile is another's now
    if (node === undefined || node.round < this.#round - 1) {
      node = this.#node(question())
      this.#known.set(thing, node)
    }
    return this.#pullRoot(node)
  }

  #pullRoot(node: Node): unknown {
    if (node.round !== this.#round) {
      node.round = this.#round
      this.#roots.push(node)
    }
    return this.#pull(node)
  }

  end(): void {
    for (const node of this.#lastRoots) if (node.round !== this.#round) this.#forget(node, this.#round)
  }

  get size(): number {
    return this.#nodes.size
  }

  #node(question: string): Node {
    let node = this.#nodes.get(question)
    if (node === undefined) {
      node = { question, value: undefined, state: 'dirty', sources: new Map(), dependents: new Set(), round: -1 }
      this.#nodes.set(question, node)
    }
    return node
  }

  #pull(node: Node): unknown {
    if (node.state === 'clean') return node.value
    if (node.state === 'computing') throw new Error(`the answer to "${node.question}" depends on itself`)
    if (node.state === 'check') {
      let same = true
      for (const [source, seen] of node.sources) {
        if (this.#pull(source) === seen) continue
        same = false
        break
      }
      if (same) {
        node.state = 'clean'
        return node.value
      }
    }
    return this.#compute(node)
  }

  #compute(node: Node): unknown {
    this.computed++
    node.state = 'computing'
    const before = node.sources
    node.sources = new Map()
    const ask: Ask = (question) => {
      const source = this.#node(question)
      const value = this.#pull(source)
      node.sources.set(source, value)
      source.dependents.add(node)
      return value
    }
    node.value = this.#answer(node.question, ask, node.value)
    node.state = 'clean'
    for (const source of before.keys()) {
      if (node.sources.has(source)) continue
      source.dependents.delete(node)
      this.#forget(source, this.#round - 1)
    }
    return node.value
  }

  /** Unless somebody needs it: until the end of a round also what was asked from outside in the last one. */
  #forget(node: Node, since: number): void {
    if (node.round >= since || node.dependents.size > 0) return
    this.#nodes.delete(node.question)
    for (const source of node.sources.keys()) {
      source.dependents.delete(node)
      this.#forget(source, since)
    }
  }
}

/** The list of before if it holds the same things in the same order: a list that is built anew must not look changed. */
export function sameList<Item>(before: readonly Item[] | undefined, now: readonly Item[]): readonly Item[] {
  if (before === undefined || before.length !== now.length) return now
  return now.every((each, index) => each === before[index]) ? before : now
}

/** Plain data that says the same is the same object. */
export function sameData<Data>(before: unknown, now: Data): Data {
  return before === now || (before !== undefined && JSON.stringify(before) === JSON.stringify(now))
    ? (before as Data)
    : now
}
