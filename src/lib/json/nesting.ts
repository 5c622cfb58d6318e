/** A value of JSON → is it nested deeper than somebody allows? Pure. */

/**
 * JSON.parse reads any depth; whoever walks over what it gave (JSON.stringify, a validator, a printer) calls itself for
 * each level, and a stranger's thousand brackets end its stack. Depth 0: a text or a number; 1: a list of those.
 */
export function nestedDeeper(value: unknown, most: number): boolean {
  if (typeof value !== 'object' || value === null) return false
  if (most === 0) return true
  return Object.values(value).some((inner) => nestedDeeper(inner, most - 1))
}
