/**
 * The paths of a host → in order of precedence, so that the first that matches is the one nginx would choose. Pure.
 *
 * nginx (ngx_http_core_find_location): an exact path; else the longest start; where that is not `^~`, expressions before
 * it, in order. A start that ends with a slash takes the same path without it for a redirect.
 */
import type { OwnedPath } from './table.ts'

export type Ranked =
  | { readonly kind: 'path'; readonly owned: OwnedPath }
  /** `path` is redirected to the same with a slash. */
  | { readonly kind: 'slash'; readonly path: string; readonly owned: OwnedPath }

export function inOrder(paths: readonly OwnedPath[]): readonly Ranked[] {
  const exact: OwnedPath[] = []
  const starts: { readonly path: string; readonly stops: boolean; readonly owned: OwnedPath }[] = []
  const expressions: OwnedPath[] = []
  for (const owned of paths) {
    const { base } = owned.offers[0]!.path
    if (base.kind === 'exact') exact.push(owned)
    else if (base.kind === 'regexp') expressions.push(owned)
    else starts.push({ path: base.path, stops: base.stops, owned })
  }
  starts.sort((a, b) => b.path.length - a.path.length || (a.path < b.path ? -1 : 1))
  expressions.sort((a, b) => (a.key < b.key ? -1 : 1))
  const taken = new Set([...paths].map(({ key }) => key))
  const slashes = starts
    .filter(({ path, owned }) => path.length > 1 && path.endsWith('/') && owned.redirects)
    .map(({ path, owned }) => ({ kind: 'slash' as const, path: path.slice(0, -1), owned }))
    .filter(({ path }) => !taken.has(path) && !taken.has(`=${path}`))
  // below a `^~`, longer starts come before it, and so before the expressions too
  const stops = starts.filter(({ stops: own }) => own)
  const early = starts.filter((one) => stops.some(({ path }) => one.path.startsWith(path)))
  const late = starts.filter((one) => !early.includes(one))
  const ranked = (owned: OwnedPath): Ranked => ({ kind: 'path', owned })
  return [
    ...exact.map(ranked),
    ...slashes,
    ...early.map(({ owned }) => ranked(owned)),
    ...expressions.map(ranked),
    ...late.map(({ owned }) => ranked(owned)),
  ]
}
