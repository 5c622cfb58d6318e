/** GEP-2257 duration (`1h30m`, `250ms`, `0s`) → milliseconds. Pure; the schema has seen to the shape. */

const units: Readonly<Record<string, number>> = { h: 3_600_000, m: 60_000, s: 1_000, ms: 1 }

export function milliseconds(duration: string): number {
  let sum = 0
  for (const [, digits, unit] of duration.matchAll(/(\d+)(ms|h|m|s)/g)) sum += Number(digits) * units[unit!]!
  return sum
}
