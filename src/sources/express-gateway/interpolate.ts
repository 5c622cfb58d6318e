/** Text with `${NAME}` and `${NAME:-default}` → text with the environment's values, and the way back to the file. Pure. */

export interface Interpolated {
  readonly text: string
  /** Names that were not set and had no default: `null` stands for them. Offsets into the original. */
  readonly unknown: readonly { readonly name: string; readonly offset: number }[]
  /** Offset in `text` → offset in the original; inside an inserted value: where its placeholder begins. */
  original(offset: number): number
}

/**
 * As Express Gateway does it, on the raw text before YAML is parsed: values are inserted verbatim, so they may become
 * numbers or structure. `$${NAME}` stays as it is, both dollar signs included; so does a name with other characters
 * than letters, digits and underscores, which is why most JavaScript templates survive. An empty default is none.
 */
export function interpolate(text: string, environment: Readonly<Record<string, string | undefined>>): Interpolated {
  const placeholder = /(\$?)\$\{(\w+)(?::-(.*?))?\}/g
  const unknown: { name: string; offset: number }[] = []
  const edits: { readonly at: number; readonly length: number; readonly from: number; readonly original: number }[] = []
  let result = ''
  let copied = 0
  for (const found of text.matchAll(placeholder)) {
    const [whole, escape, name = '', fallback] = found
    if (escape === '$') continue
    let value = environment[name]
    if (value === undefined && fallback !== undefined && fallback !== '') value = fallback
    if (value === undefined) {
      unknown.push({ name, offset: found.index })
      value = 'null'
    }
    result += text.slice(copied, found.index)
    edits.push({ at: result.length, length: value.length, from: found.index, original: whole.length })
    result += value
    copied = found.index + whole.length
  }
  result += text.slice(copied)
  return {
    text: result,
    unknown,
    original(offset) {
      let shift = 0
      for (const edit of edits) {
        if (offset < edit.at) break
        if (offset < edit.at + edit.length) return edit.from
        shift += edit.original - edit.length
      }
      return offset + shift
    },
  }
}
