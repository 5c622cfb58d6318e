/** Host names of listeners and routes: intersection, overlap, precedence (Gateway API, HTTPRouteSpec.hostnames). Pure. */
import type { HostMatch } from '../../model/model.ts'

/** `*.` stands for one or more labels, never for none. */
export function covers(pattern: string | undefined, name: string): boolean {
  if (pattern === undefined || pattern === '') return true
  if (!pattern.startsWith('*.')) return pattern === name
  const suffix = pattern.slice(1)
  return name.length > suffix.length && name.endsWith(suffix)
}

/** Is there a host name that both take? Absent: any. */
export function overlap(left: string | undefined, right: string | undefined): boolean {
  if (left === undefined || left === '' || right === undefined || right === '' || left === right) return true
  if (right.startsWith('*.') && covers(right, left.startsWith('*.') ? left.slice(2) : left)) return true
  return left.startsWith('*.') && covers(left, right.startsWith('*.') ? right.slice(2) : right)
}

export function hostMatch(hostname: string): HostMatch {
  const name = hostname.toLowerCase()
  if (name.startsWith('*.')) return { kind: 'suffix', suffix: name.slice(1), labels: 'many' }
  return { kind: 'exact', name }
}

/** Larger wins: exact names by length, then wildcards by length, then no name at all. */
export function hostRank(hostname: string | undefined): number {
  if (hostname === undefined || hostname === '') return 0
  return hostname.startsWith('*.') ? hostname.length : 1000 + hostname.length
}
