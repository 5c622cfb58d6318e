/**
 * Ordered routes → nginx's places (exact paths and starts of paths), each with the route that the model means there. Pure.
 *
 * nginx takes an exact path, else the longest start: a place is what is left of its start when all longer ones are taken
 * away. The starts and paths of the routes themselves are the places, so that each route takes a place whole or not at
 * all, and the first that takes it is the one. Expressions may take parts of places: those are left to the engine.
 */
import { compilePathPattern } from '../../pipeline/match.ts'
import type { Route } from '../../model/model.ts'

export interface Cell {
  readonly kind: 'exact' | 'start'
  readonly path: string
  /** Undefined: no route takes it. */
  readonly route: Route | undefined
  /** Behind it in order, as far as they take the place too; for conditions. */
  readonly next: Route | undefined
  /** Set: nginx cannot tell which route it is. */
  readonly unclear?: string
}

/** Always with the start `/`. In order: exact ones first, then starts, both by path. */
export function cellsOf(routes: readonly Route[]): readonly Cell[] {
  const exact = new Set<string>()
  const starts = new Set<string>(['/'])
  const expressions: { readonly route: Route; readonly prefix: string; readonly at: number }[] = []
  routes.forEach((route, at) => {
    const { path } = route.match
    switch (path?.kind) {
      case undefined:
        return
      case 'exact':
        exact.add(path.value)
        if (path.optionalSlash === true) {
          exact.add(path.value.endsWith('/') ? path.value.slice(0, -1) || '/' : `${path.value}/`)
        }
        return
      case 'prefix': {
        const base = path.value.replace(/\/$/, '')
        if (base !== '') exact.add(base)
        starts.add(`${base}/`)
        return
      }
      case 'start':
        starts.add(path.value)
        return
      case 'regexp': {
        const prefix = path.ignoreCase === true ? '' : compilePathPattern(path).pattern.prefix
        expressions.push({ route, prefix, at })
        if (prefix.startsWith('/')) starts.add(prefix)
      }
    }
  })
  // nginx would redirect the same path without its last slash by itself
  for (const path of [...starts, ...exact]) if (path.length > 1 && path.endsWith('/')) exact.add(path.slice(0, -1))

  const cell = (kind: Cell['kind'], path: string): Cell => {
    const takers = routes.filter((route) => takes(route, kind, path))
    const [route, next] = takers
    const first = route === undefined ? Infinity : routes.indexOf(route)
    const rival = expressions.find(
      ({ prefix, at }) =>
        at < first &&
        (path.startsWith(prefix) || (kind === 'start' && prefix.startsWith(path) && !covered(prefix, path, starts))),
    )
    const unclear = rival === undefined ? insensitive(routes) : `the expression of ${rival.route.id} may take it`
    return { kind, path, route, next, ...(unclear === undefined ? {} : { unclear }) }
  }
  return [
    ...[...exact].sort().map((path) => cell('exact', path)),
    ...[...starts].sort().map((path) => cell('start', path)),
  ]
}

/** Is there a longer start that an expression with this prefix falls into, whatever it takes? */
function covered(prefix: string, path: string, starts: ReadonlySet<string>): boolean {
  return prefix !== path && starts.has(prefix)
}

function takes({ match: { path } }: Route, kind: Cell['kind'], place: string): boolean {
  switch (path?.kind) {
    case undefined:
      return true
    case 'exact':
      if (kind !== 'exact') return false
      return (
        place === path.value ||
        (path.optionalSlash === true && place.replace(/\/$/, '') === path.value.replace(/\/$/, ''))
      )
    case 'prefix': {
      const base = path.value.replace(/\/$/, '')
      return (kind === 'exact' && place === base) || place.startsWith(`${base}/`)
    }
    case 'start':
      return place.startsWith(path.value)
    case 'regexp':
      return false
  }
}

function insensitive(routes: readonly Route[]): string | undefined {
  const one = routes.find(
    ({ match: { path } }) =>
      path !== undefined && 'ignoreCase' in path && path.ignoreCase === true && path.kind !== 'regexp',
  )
  return one === undefined ? undefined : `${one.id} takes paths without regard to case`
}
