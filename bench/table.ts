/** Rows of samples → a table for the terminal and a picture. Pure. */
import type { Sample } from './measure.ts'

export interface Row {
  readonly name: string
  readonly cells: readonly (Sample & { readonly peer: string })[]
}

/** CPU per request with its ratio to nginx (or, where nginx has no such row, to nginx's plain row). */
export function drawTable(rows: readonly Row[], peers: readonly string[]): string {
  const plain = rows.find((row) => row.name === 'plain')?.cells.find((cell) => cell.peer === 'nginx')
  const head = `| row | ${peers.map((peer) => `${peer} µs/request | × nginx | requests/s | p50 / p99 ms`).join(' | ')} |`
  const line = `|---|${peers.map(() => '---:|---:|---:|---:').join('|')}|`
  const body = rows.map((row) => {
    const base = row.cells.find((cell) => cell.peer === 'nginx') ?? plain
    const cells = peers.map((peer) => {
      const cell = row.cells.find((candidate) => candidate.peer === peer)
      if (cell === undefined) return '– | – | – | –'
      const ratio = base === undefined ? '–' : (cell.cpuUs / base.cpuUs).toFixed(2)
      return `${cell.cpuUs.toFixed(1)} | ${ratio} | ${cell.rps.toFixed(0)} | ${milliseconds(cell.p50Ms)} / ${milliseconds(cell.p99Ms)}`
    })
    return `| ${row.name} | ${cells.join(' | ')} |`
  })
  return `${[head, line, ...body].join('\n')}\n`
}

/** h2load tells no percentiles. */
function milliseconds(value: number): string {
  return Number.isNaN(value) ? '–' : value.toFixed(2)
}

const colours: Readonly<Record<string, string>> = {
  nginx: '#2e8b57',
  gantry: '#3465a4',
  gantry26: '#75507b',
  'express-gateway': '#c17d11',
  envoy: '#888888',
  haproxy: '#555555',
}

/** Bars of CPU per request; shorter is better. */
export function drawPicture(rows: readonly Row[]): string {
  const bars = rows.flatMap((row) =>
    row.cells.map((cell, index) => ({ label: index === 0 ? row.name : '', peer: cell.peer, value: cell.cpuUs })),
  )
  const longest = Math.max(...bars.map((bar) => bar.value))
  const height = bars.length * 18 + 40
  const drawn = bars.map((bar, index) => {
    const y = 30 + index * 18
    const width = Math.max(1, (bar.value / longest) * 480)
    return `<text x="70" y="${y + 11}" text-anchor="end" font-weight="bold">${bar.label}</text><rect x="190" y="${y}" width="${width.toFixed(1)}" height="14" fill="${colours[bar.peer] ?? '#999999'}"/><text x="182" y="${y + 11}" text-anchor="end">${bar.peer}</text><text x="${(196 + width).toFixed(1)}" y="${y + 11}">${bar.value.toFixed(1)}</text>`
  })
  return `<svg xmlns="http://www.w3.org/2000/svg" width="760" height="${height}" font-family="sans-serif" font-size="11"><rect width="100%" height="100%" fill="white"/><text x="10" y="16" font-size="13">CPU per request, microseconds (shorter is better)</text>${drawn.join('')}</svg>\n`
}
