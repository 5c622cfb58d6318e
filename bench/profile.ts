/** The end of a CPU profile → what the time went to, largest first. Effect: reads the file. */
import { readFileSync } from 'node:fs'

interface Profile {
  readonly nodes: readonly {
    readonly id: number
    readonly callFrame: { readonly functionName: string; readonly url: string; readonly lineNumber: number }
  }[]
  readonly samples: readonly number[]
  /** Microseconds. */
  readonly timeDeltas: readonly number[]
}

export interface Spent {
  /** Function and file. */
  readonly where: string
  /** Of the time in which it was not idle. */
  readonly share: number
}

/** Time in functions themselves, without what they call, in the last seconds: a start is no load. */
export function summarise(file: string, seconds: number): readonly Spent[] {
  const profile = JSON.parse(readFileSync(file, 'utf8')) as Profile
  const names = new Map(profile.nodes.map(({ id, callFrame }) => [id, nameOf(callFrame)]))
  const spent = new Map<string, number>()
  let left = profile.timeDeltas.reduce((sum, time) => sum + time, 0)
  profile.samples.forEach((id, at) => {
    const name = names.get(id) ?? ''
    left -= profile.timeDeltas[at] ?? 0
    if (left > seconds * 1e6) return
    if (name !== '(idle)') spent.set(name, (spent.get(name) ?? 0) + (profile.timeDeltas[at] ?? 0))
  })
  const total = [...spent.values()].reduce((sum, time) => sum + time, 0)
  return [...spent]
    .map(([where, time]) => ({ where, share: time / total }))
    .toSorted((left, right) => right.share - left.share)
}

function nameOf({ functionName, url, lineNumber }: Profile['nodes'][number]['callFrame']): string {
  const file = url.split('/').slice(-2).join('/')
  return `${functionName === '' ? '(anonymous)' : functionName}${file === '' ? '' : ` ${file}:${lineNumber + 1}`}`
}
