/** The query of a target and a name → the values of that name, decoded. Pure. */

/**
 * As forms are read: `+` is a space, brackets are part of the name. A name or value that cannot be decoded stands for
 * itself.
 */
export function queryValues(query: string, name: string): readonly string[] {
  if (query === '') return none
  const found: string[] = []
  let start = 0
  while (start <= query.length) {
    let end = query.indexOf('&', start)
    if (end === -1) end = query.length
    const equals = query.indexOf('=', start)
    const nameEnd = equals === -1 || equals > end ? end : equals
    if (decode(query.slice(start, nameEnd)) === name)
      found.push(nameEnd === end ? '' : decode(query.slice(equals + 1, end)))
    start = end + 1
  }
  return found
}

const none: readonly string[] = []

export function decode(text: string): string {
  if (!text.includes('%') && !text.includes('+')) return text
  const spaced = text.replaceAll('+', ' ')
  try {
    return decodeURIComponent(spaced)
  } catch (error) {
    if (error instanceof URIError) return spaced
    throw error
  }
}
