/** The text of a form ↔ its fields, nested by brackets (`a[b]=1`, `c[]=2`). Pure. */
import { decode } from './query.ts'

export type FormValue = string | FormValue[] | { [name: string]: FormValue }
export type Form = Record<string, FormValue>

const mostFields = 1000
const deepest = 5

/** Beyond 1000 fields the rest is not read; beyond 5 levels the rest of a name is one name. `__proto__` is never a name. */
export function readForm(text: string): Form {
  const form: Form = Object.create(null) as Form
  let count = 0
  for (const pair of text.split('&')) {
    if (pair === '') continue
    if (++count > mostFields) break
    const equals = pair.indexOf('=')
    const name = decode(equals === -1 ? pair : pair.slice(0, equals))
    const value = equals === -1 ? '' : decode(pair.slice(equals + 1))
    const path = pathOf(name)
    if (!path.includes('__proto__')) put(form, path, value)
  }
  return form
}

/** `a[b][c]` → a, b, c. A name that begins with a bracket, or has text between brackets, is one name. */
function pathOf(name: string): readonly string[] {
  const open = name.indexOf('[')
  if (open <= 0 || !name.endsWith(']')) return [name]
  const parts = [name.slice(0, open)]
  let at = open
  while (at < name.length) {
    const close = name.indexOf(']', at)
    if (name[at] !== '[' || close === -1) return [name]
    if (parts.length > deepest) {
      parts.push(name.slice(at))
      return parts
    }
    parts.push(name.slice(at + 1, close))
    at = close + 1
  }
  return parts
}

function put(form: Form, path: readonly string[], value: string): void {
  let holder: Form | FormValue[] = form
  for (let level = 0; level < path.length; level++) {
    const name = path[level] ?? ''
    const last = level === path.length - 1
    const before: FormValue | undefined = Array.isArray(holder) ? undefined : holder[name]
    const next = path[level + 1]
    const inner: FormValue = last ? value : next === '' ? [] : (Object.create(null) as Form)
    if (Array.isArray(holder)) {
      holder.push(inner)
      if (typeof inner === 'string') return
      holder = inner
    } else if (before === undefined) {
      holder[name] = inner
      if (typeof inner === 'string') return
      holder = inner
    } else if (last) {
      holder[name] = Array.isArray(before) ? [...before, value] : [before, value]
    } else if (typeof before === 'string') {
      return
    } else {
      holder = before
    }
  }
}

/** Fields → text, in their order. Numbers and booleans stand for their text, null for an empty one; undefined is left out. */
export function printForm(fields: Readonly<Record<string, unknown>>): string {
  const pairs: string[] = []
  for (const [name, value] of Object.entries(fields)) printField(name, value, pairs)
  return pairs.join('&')
}

function printField(name: string, value: unknown, pairs: string[]): void {
  if (value === undefined) return
  if (Array.isArray(value)) {
    value.forEach((item, index) => printField(`${name}[${index}]`, item, pairs))
  } else if (typeof value === 'object' && value !== null) {
    for (const [inner, item] of Object.entries(value)) printField(`${name}[${inner}]`, item, pairs)
  } else {
    pairs.push(
      `${encodeURIComponent(name)}=${encodeURIComponent(value === null ? '' : String(value as string | number | boolean))}`,
    )
  }
}
