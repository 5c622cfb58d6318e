/** Rows of samples and sections → Markdown for the terminal and the README, and a picture. Pure. */
import type { Compared } from './compare.ts'
import type { Cell, Section } from './study.ts'

export interface Row {
  readonly name: string
  readonly summary: string
  /** At most so many times nginx. */
  readonly aim?: number | undefined
  readonly cells: readonly Compared[]
}

/** CPU per request, and how many times nginx's in the same round that is, with the quartiles of the rounds. */
export function drawTable(rows: readonly Row[], peers: readonly string[]): string {
  const head = ['row', 'aim', ...peers.map((peer) => `${peer} µs${peer === 'nginx' ? '' : ' (× nginx, quartiles)'}`)]
  return drawRows(rows, peers, head, (cell) => {
    if (cell.peer === 'nginx' || Number.isNaN(cell.ratio)) return short(cell.cpuUs)
    return `${short(cell.cpuUs)} (**${cell.ratio.toFixed(2)}**, ${cell.lower.toFixed(2)}–${cell.upper.toFixed(2)})`
  })
}

/** The same of each peer's quietest rounds, which need not be the same rounds. */
export function drawQuiet(rows: readonly Row[], peers: readonly string[]): string {
  const head = [
    'row, quietest tenth',
    'aim',
    ...peers.map((peer) => `${peer} µs${peer === 'nginx' ? '' : ' (× nginx)'}`),
  ]
  return drawRows(rows, peers, head, (cell, row) => {
    const base = row.cells.find(({ peer }) => peer === 'nginx')
    if (cell === base || base === undefined) return short(cell.quietUs)
    return `${short(cell.quietUs)} (${(cell.quietUs / base.quietUs).toFixed(2)})`
  })
}

function drawRows(
  rows: readonly Row[],
  peers: readonly string[],
  head: readonly string[],
  draw: (cell: Compared, row: Row) => string,
): string {
  const lines = rows.map((row) => {
    const cells = peers.map((peer) => {
      const cell = row.cells.find((candidate) => candidate.peer === peer)
      return cell === undefined ? '–' : draw(cell, row)
    })
    return [row.name, row.aim === undefined ? '–' : `≤ ${row.aim.toFixed(2)}`, ...cells]
  })
  return markdown(head, lines)
}

/** What the same runs say of throughput and latency, in a closed loop: the load waits for who is slow. */
export function drawThroughput(rows: readonly Row[], peers: readonly string[]): string {
  const lines = rows.map((row) => [
    row.name,
    ...peers.map((peer) => {
      const cell = row.cells.find((candidate) => candidate.peer === peer)
      if (cell === undefined) return '–'
      const latency = Number.isNaN(cell.p50Ms) ? '' : `, ${short(cell.p50Ms)} / ${short(cell.p99Ms)}`
      return `${cell.rps.toFixed(0)}${latency}`
    }),
  ])
  return markdown(['row: requests/s, p50 / p99 ms', ...peers], lines)
}

export function drawSection({ title, head, lines, notes }: Section): string {
  const table = markdown(
    head,
    lines.map((line) => line.map((cell) => (typeof cell === 'number' ? short(cell) : cell))),
  )
  return `### ${title}\n\n${table}\n${notes.map((note) => `* ${note}\n`).join('')}`
}

function markdown(head: readonly string[], lines: readonly (readonly Cell[])[]): string {
  const line = (cells: readonly Cell[]): string => `| ${cells.join(' | ')} |`
  const rule = `|---|${head
    .slice(1)
    .map(() => '---:|')
    .join('')}`
  return `${[line(head), rule, ...lines.map(line)].join('\n')}\n`
}

function short(value: number): string {
  if (Number.isNaN(value)) return '–'
  return value.toFixed(value >= 100 ? 0 : value >= 10 ? 1 : 2)
}

const colours: Readonly<Record<string, string>> = {
  nginx: '#2e8b57',
  gantry: '#3465a4',
  gantry26: '#75507b',
  envoy: '#c4568f',
  haproxy: '#5f8787',
  pingap: '#a0522d',
  'express-gateway': '#c17d11',
}
/** Times nginx; what is longer is cut, and says so. */
const longest = 5
const unit = 110

/** Bars of CPU per request in units of nginx, a line where each row's aim is; shorter is better. */
export function drawPicture(rows: readonly Row[]): string {
  let y = 52
  const parts: string[] = []
  for (const row of rows) {
    if (row.cells.every(({ ratio }) => Number.isNaN(ratio))) continue
    const top = y
    parts.push(`<text x="10" y="${y + 12}" font-weight="bold">${row.name}</text>`)
    for (const cell of row.cells) {
      const { ratio } = cell
      if (Number.isNaN(ratio)) continue
      const width = Math.max(1, Math.min(ratio, longest) * unit)
      const label = `${short(cell.cpuUs)} µs · ${ratio.toFixed(2)}${ratio > longest ? ' →' : ''}`
      parts.push(
        `<text x="184" y="${y + 11}" text-anchor="end" fill="#555">${cell.peer}</text>` +
          `<rect x="190" y="${y + 1}" width="${width.toFixed(1)}" height="12" fill="${colours[cell.peer] ?? '#999999'}"/>` +
          `<text x="${(195 + width).toFixed(1)}" y="${y + 11}">${label}</text>`,
      )
      y += 15
    }
    const aim = (190 + (row.aim ?? 0) * unit).toFixed(1)
    if (row.aim !== undefined)
      parts.push(`<line x1="${aim}" x2="${aim}" y1="${top - 1}" y2="${y}" stroke="#cc0000" stroke-dasharray="3 2"/>`)
    y += 9
  }
  const height = y + 6
  const title =
    '<text x="10" y="18" font-size="14">CPU per request beside nginx (1.00); shorter is better</text>' +
    '<text x="10" y="36" fill="#555">The dashed line is what a row aims at. Bars beyond five times nginx are cut.</text>'
  return `<svg xmlns="http://www.w3.org/2000/svg" width="880" height="${height}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/>${title}${parts.join('')}</svg>\n`
}
