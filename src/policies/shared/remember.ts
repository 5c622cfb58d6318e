/** A pure function of short texts → the same one, which keeps what it has made: a joined name and its hash are made once. */

const LONGEST = 256

/** Forgets everything when it knows `limit` texts: they may be the clients' to invent. Longer ones are never kept. */
export function remember(make: (text: string) => string, limit = 2000): (text: string) => string {
  const known = new Map<string, string>()
  return (text) => {
    if (text.length > LONGEST) return make(text)
    let made = known.get(text)
    if (made === undefined) {
      made = make(text)
      if (known.size >= limit) known.clear()
      known.set(ownCopy(text), made)
    }
    return made
  }
}

/** A text that was cut out of a longer one keeps all of it in memory: here, a request's whole head. This one keeps nothing. */
export function ownCopy(text: string): string {
  return `_${text}`.slice(1)
}
