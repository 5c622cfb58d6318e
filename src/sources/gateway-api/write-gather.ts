/** The same said of many routes → one diagnostic that counts them. */
import type { Diagnostic, Origin, Severity } from '../../model/diagnostic.ts'

/** The most that are named, with their places; of the others there is the count. */
const named = 3

export class Gathered {
  readonly #topics = new Map<
    string,
    { diagnostic: Omit<Diagnostic, 'message'>; of: Map<string, Origin>; words: Words }
  >()

  /** `topic`: what is said once. `words` of the first one count. */
  add(topic: string, severity: Severity, code: string, who: string, origin: Origin, words: Words, hint?: string): void {
    const known = this.#topics.get(topic)
    if (known !== undefined) {
      if (!known.of.has(who)) known.of.set(who, origin)
      return
    }
    const diagnostic = { code: `gateway-api/${code}`, severity, ...(hint === undefined ? {} : { hint }), origin }
    this.#topics.set(topic, { diagnostic, of: new Map([[who, origin]]), words })
  }

  /** In the order in which they were first met. */
  diagnostics(): readonly Diagnostic[] {
    return [...this.#topics.values()].map(({ diagnostic, of, words }) => {
      const all = [...of.keys()]
      const more = all.length - named
      const list = more > 0 ? `${all.slice(0, named).join(', ')} and ${more} more` : all.join(', ')
      const places = new Map([...of.values()].map((origin) => [JSON.stringify(origin), origin]))
      const related = [...places.values()].slice(1, named)
      return {
        ...diagnostic,
        message: words(list, all.length),
        ...(related.length === 0 ? {} : { related }),
      }
    })
  }
}

/** Names of those it is said of, and how many they are → the message. */
export type Words = (list: string, count: number) => string
