/**
 * Objects of the model → plain data that another process or thread can be sent, and back. Pure. What the list shares it shares
 * there too, as far as the channel keeps it. Secrets are in it: only channels of our own carry it.
 */
import { Secret } from './secret.ts'

/** `plain`: the objects themselves. `marked`: copies, in which secrets are marked. */
export type Packed =
  | { readonly kind: 'plain'; readonly items: readonly unknown[] }
  | { readonly kind: 'marked'; readonly items: readonly unknown[] }

const SIGN = '\u0000'
/** The one key that begins with a single sign: keys of a configuration that begin with one get another in front. */
const MARK = `${SIGN}secret`

export function pack(items: readonly unknown[]): Packed {
  const marked = changed(
    items,
    (value) => (value instanceof Secret ? { [MARK]: value.reveal() } : undefined),
    (key) => (key.startsWith(SIGN) ? SIGN + key : key),
  )
  return marked === items ? { kind: 'plain', items } : { kind: 'marked', items: marked }
}

export function unpack(packed: Packed): readonly unknown[] {
  if (packed.kind === 'plain') return packed.items
  return changed(
    packed.items,
    (value) => {
      const secret = (value as Readonly<Record<string, unknown>>)[MARK]
      return typeof secret === 'string' ? new Secret(secret) : undefined
    },
    (key) => (key.startsWith(SIGN) ? key.slice(SIGN.length) : key),
  )
}

/** The same list where nothing in it is replaced. What is no plain object or list stays as it is. */
function changed(
  items: readonly unknown[],
  replace: (value: object) => unknown,
  rename: (key: string) => string,
): readonly unknown[] {
  const known = new Map<object, unknown>()
  const visit = (value: unknown): unknown => {
    if (typeof value !== 'object' || value === null) return value
    if (known.has(value)) return known.get(value)
    const result = replace(value) ?? (Array.isArray(value) ? visitList(value) : visitObject(value))
    known.set(value, result)
    return result
  }
  const visitList = (list: readonly unknown[]): readonly unknown[] => {
    let copy: unknown[] | undefined
    list.forEach((item, index) => {
      const now = visit(item)
      if (now !== item) (copy ??= [...list])[index] = now
    })
    return copy ?? list
  }
  const visitObject = (value: object): object => {
    const prototype: unknown = Object.getPrototypeOf(value)
    if (prototype !== Object.prototype && prototype !== null) return value
    const record = value as Record<string, unknown>
    for (const key in record) {
      if (rename(key) === key && visit(record[key]) === record[key]) continue
      return Object.fromEntries(Object.entries(record).map(([name, item]) => [rename(name), visit(item)]))
    }
    return value
  }
  return visitList(items)
}
