/** Written rules in the order of the model → those that the Gateway API would try in another order. Pure. */
import { compilePattern } from '../../lib/regexp/pattern.ts'
import type { PathMatch, Route } from '../../model/model.ts'
import type { WrittenPath } from './write-match.ts'

/** One match of one rule at one host name. */
export interface Placed {
  readonly route: Route
  readonly hostname: string | undefined
  readonly path: WrittenPath
  readonly method: string | undefined
  readonly headers: number
  /** What the Host header must match besides. */
  readonly header: string
  readonly name: string
  readonly place: number
}

/**
 * Pairs where the later one is tried first, both may take the same request, and they answer differently. Says rather too
 * much than too little: whether two expressions have a path in common is judged by the text they begin with.
 */
export function orderChanges(placed: readonly Placed[]): readonly { readonly later: Route; readonly earlier: Route }[] {
  const byHost = new Map<string | undefined, Placed[]>()
  for (const each of placed) {
    const list = byHost.get(each.hostname)
    if (list === undefined) byHost.set(each.hostname, [each])
    else list.push(each)
  }
  const found = new Map<string, { readonly later: Route; readonly earlier: Route }>()
  for (const list of byHost.values()) {
    list.forEach((later, index) => {
      for (let before = 0; before < index; before++) {
        const earlier = list[before]!
        const key = `${later.route.id} ${earlier.route.id}`
        if (found.has(key) || later.route === earlier.route || answer(later.route) === answer(earlier.route)) continue
        if (later.method !== undefined && earlier.method !== undefined && later.method !== earlier.method) continue
        if (!goesFirst(later, earlier) || !mayMeet(later.route.match.path, earlier.route.match.path)) continue
        found.set(key, { later: later.route, earlier: earlier.route })
      }
    })
  }
  return [...found.values()]
}

function answer({ policies, action }: Route): string {
  return JSON.stringify([policies, action])
}

/** As HTTPRouteRule.matches ranks them at the same host name. */
function goesFirst(left: Placed, right: Placed): boolean {
  const [a, b] = [rankOf(left), rankOf(right)]
  for (let index = 0; index < a.length; index++) {
    const difference = (a[index] ?? 0) - (b[index] ?? 0)
    if (difference !== 0) return difference > 0
  }
  return left.name === right.name ? left.place < right.place : left.name < right.name
}

function rankOf({ path, method, headers }: Placed): readonly number[] {
  const kind = path.type === 'Exact' ? 2 : path.type === 'RegularExpression' ? 1 : 0
  const length = path.type === 'PathPrefix' ? path.value.replace(/\/+$/, '').length : path.value.length
  return [kind, length, method === undefined ? 0 : 1, headers]
}

function mayMeet(left: PathMatch | undefined, right: PathMatch | undefined): boolean {
  const [a, b] = [beginning(left), beginning(right)]
  if (a.whole && b.whole) return a.text === b.text
  if (a.whole) return meets(a.text, right, b.text)
  if (b.whole) return meets(b.text, left, a.text)
  return a.text.startsWith(b.text) || b.text.startsWith(a.text)
}

function meets(whole: string, path: PathMatch | undefined, start: string): boolean {
  const both = [whole, `${whole}/`]
  if (path?.kind !== 'regexp') return both.some((each) => each.startsWith(start))
  const pattern = compilePattern(path.source, { ignoreCase: true })
  return pattern.kind === 'bad' || both.some((each) => each.length > pattern.limit || pattern.regexp.test(each))
}

/** The text that every path begins with, without case; `whole`: and there is nothing more but a slash. */
function beginning(path: PathMatch | undefined): { readonly text: string; readonly whole: boolean } {
  if (path === undefined) return { text: '', whole: false }
  if (path.kind !== 'regexp') {
    const text = path.value.toLowerCase()
    return { text: text.length > 1 ? text.replace(/\/$/, '') : text, whole: path.kind === 'exact' }
  }
  const source = path.source.replaceAll('\\/', '/')
  if (!source.startsWith('^') || source.includes('|')) return { text: '', whole: false }
  const [text = ''] = /^[^\\^$.*+?()[\]{}|]*/.exec(source.slice(1)) ?? []
  // what a quantifier makes optional is no beginning
  const optional = /[*?{]/.test(source.charAt(text.length + 1))
  return { text: (optional ? text.slice(0, -1) : text).toLowerCase(), whole: false }
}
