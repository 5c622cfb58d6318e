/** Weights → an order of indexes that keeps the proportions exactly and spreads them evenly (smooth weighted round robin). */

export interface Picker {
  /** The next index; -1 where every weight is 0. */
  next(): number
}

const LONGEST = 4096

const ALWAYS_FIRST: Picker = { next: () => 0 }

/** Equal weights rotate strictly. Weights are reduced by their common divisor, so a cycle is as short as it can be. */
export function createPicker(weights: readonly number[]): Picker {
  // most forward to one place, and ten thousand of them may share a picker that remembers nothing
  if (weights.length === 1 && Number.isInteger(weights[0]) && weights[0]! > 0) return ALWAYS_FIRST
  const whole = toIntegers(weights)
  const total = whole.reduce((sum, weight) => sum + weight, 0)
  if (total === 0) return { next: () => -1 }
  if (weights.length === 1) return ALWAYS_FIRST
  const smooth = createSmooth(whole, total)
  if (total > LONGEST) return smooth
  const cycle = Uint16Array.from({ length: total }, () => smooth.next())
  let at = 0
  return {
    next() {
      const index = cycle[at]!
      at = at + 1 === total ? 0 : at + 1
      return index
    },
  }
}

function createSmooth(weights: readonly number[], total: number): Picker {
  const current = weights.map(() => 0)
  return {
    next() {
      let best = -1
      for (let index = 0; index < weights.length; index++) {
        if (weights[index] === 0) continue
        current[index]! += weights[index]!
        if (best < 0 || current[index]! > current[best]!) best = index
      }
      current[best]! -= total
      return best
    },
  }
}

function toIntegers(weights: readonly number[]): number[] {
  const safe = weights.map((weight) => (Number.isFinite(weight) && weight > 0 ? weight : 0))
  // weights are whole in every source; fractions keep three digits
  const whole = safe.every((weight) => Number.isInteger(weight))
    ? safe
    : safe.map((weight) => Math.round(weight * 1000))
  const divisor = whole.reduce((a, b) => gcd(a, b), 0)
  return divisor > 1 ? whole.map((weight) => weight / divisor) : whole
}

function gcd(a: number, b: number): number {
  while (b !== 0) [a, b] = [b, a % b]
  return a
}
