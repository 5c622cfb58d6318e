/** The paths that earlier namespaces have on a host → whether a later one would take requests of theirs. Pure. */
import type { WantedPath } from './paths.ts'
import type { NamespaceObject, PodObject } from './world.ts'

export interface Right {
  readonly namespace: NamespaceObject
  /** One that wants it. */
  readonly pod: PodObject
  readonly path: WantedPath
}

/**
 * By nginx's order of precedence (`order.ts`). `/` is a right to what nobody else has: beside it only the same path is
 * refused. Where what an expression takes cannot be known, it is refused.
 */
export class Rights {
  readonly #byKey = new Map<string, Right>()
  /** Of every modifier, and without the last slash where that is redirected. */
  readonly #byPath = new Map<string, Right>()
  readonly #starts = new Map<string, Right>()
  readonly #lengths = new Set<number>()
  #specific: Right | undefined
  #expression: Right | undefined
  #rootStops = false

  /** What was added first stands. */
  add(right: Right): void {
    const { base, key } = right.path
    if (this.#byKey.has(key)) return
    this.#byKey.set(key, right)
    if (base.kind === 'regexp') {
      this.#expression ??= right
      this.#specific ??= right
      return
    }
    if (base.path === '/') {
      if (base.kind === 'start') this.#rootStops = base.stops
      else this.#specific ??= right
      return
    }
    this.#specific ??= right
    this.#byPath.set(base.path, right)
    if (base.kind === 'exact') return
    this.#starts.set(base.path, right)
    this.#lengths.add(base.path.length)
    const bare = base.path.replace(/\/$/, '')
    if (!this.#byPath.has(bare)) this.#byPath.set(bare, right)
  }

  /** Whose requests the path would take; undefined: nobody's. */
  rivalOf({ base, key }: WantedPath): Right | undefined {
    const same = this.#byKey.get(key)
    if (same !== undefined) return same
    if (base.kind === 'regexp') return this.#specific
    // expressions are asked behind these
    if (this.#expression !== undefined && (base.kind === 'exact' || base.stops || this.#rootStops))
      return this.#expression
    const alike = this.#byPath.get(base.path)
    if (alike !== undefined) return alike
    for (const length of this.#lengths) {
      const above = length < base.path.length ? this.#starts.get(base.path.slice(0, length)) : undefined
      if (above !== undefined) return above
    }
    return undefined
  }

  /** Is there an expression that may take the path that is redirected to its slash? */
  get hasExpression(): boolean {
    return this.#expression !== undefined
  }
}
