/** The rows of the bench, what each is held to, and how results are drawn. Pure. */

export const rowNames = ['alone', 'attach', 'add', 'change', 'churn'] as const
export type RowName = (typeof rowNames)[number]

/** One measured number; `limit`: what it must not exceed. */
export interface Figure {
  readonly row: RowName
  readonly name: string
  readonly value: number
  readonly unit: 's' | 'ms' | 'MB' | ''
  readonly limit?: number
}

export interface Result {
  readonly peer: string
  readonly figures: readonly Figure[]
}

export function missed({ value, limit }: Figure): boolean {
  return limit !== undefined && !(value <= limit)
}

export function percentile(values: readonly number[], share: number): number {
  const sorted = [...values].sort((left, right) => left - right)
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? Number.NaN
}

/** One line a figure, one column a peer; a figure beyond its limit is marked. */
export function drawResults(results: readonly Result[]): string {
  const [first] = results
  if (first === undefined) return ''
  const names = [...new Map(results.flatMap(({ figures }) => figures.map((each) => [keyOf(each), each]))).values()]
  const lines = names.map((figure) => [
    figure.row,
    figure.name,
    ...results.map(({ figures }) => {
      const found = figures.find((each) => keyOf(each) === keyOf(figure))
      return found === undefined ? '–' : `${print(found)}${missed(found) ? ' !' : ''}`
    }),
    figure.limit === undefined ? '' : `≤ ${print({ ...figure, value: figure.limit })}`,
  ])
  const head = ['row', 'figure', ...results.map(({ peer }) => peer), 'target']
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n')
}

function keyOf({ row, name }: Figure): string {
  return `${row} ${name}`
}

function print({ value, unit }: Figure): string {
  if (Number.isNaN(value)) return 'none'
  const text =
    unit === 's' ? value.toFixed(2) : unit === '' && Number.isInteger(value) ? String(value) : value.toFixed(1)
  return unit === '' ? text : `${text} ${unit}`
}
