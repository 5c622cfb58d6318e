/** Samples of rounds, nginx's beside the others' → medians, ratios within a round, and what the quietest rounds say. Pure. */
import { median, quantile, type Sample } from './measure.ts'

export interface RoundSample extends Sample {
  /** Samples with the same number were taken within seconds of each other. */
  readonly round: number
}

/** By row and peer: `plain/gantry`. */
export type Samples = Readonly<Record<string, readonly RoundSample[]>>

/** What all rounds of a row say of a peer: medians, and how it stands to nginx. */
export interface Compared extends Sample {
  readonly peer: string
  readonly rounds: number
  /** Times nginx's CPU per request in the same round: the median of the rounds, and their quartiles. NaN: nginx was not there. */
  readonly ratio: number
  readonly lower: number
  readonly upper: number
  /** CPU per request in the quietest tenth of the rounds: what neighbours of the machine do only ever adds. */
  readonly quietUs: number
}

/** `base`: the samples that count as nginx's. */
export function compare(peer: string, own: readonly RoundSample[], base: readonly RoundSample[]): Compared {
  const keys = Object.keys(own[0] ?? {}).filter((key) => key !== 'round') as (keyof Sample)[]
  const medians = Object.fromEntries(keys.map((key) => [key, median(own.map((sample) => sample[key]))]))
  const ofRound = new Map(base.map((sample) => [sample.round, sample.cpuUs]))
  const ratios = own.flatMap(({ round, cpuUs }) => {
    const beside = ofRound.get(round)
    return beside === undefined ? [] : [cpuUs / beside]
  })
  return {
    ...(medians as unknown as Sample),
    peer,
    rounds: own.length,
    ratio: median(ratios),
    lower: quantile(ratios, 0.25),
    upper: quantile(ratios, 0.75),
    quietUs: quantile(
      own.map(({ cpuUs }) => cpuUs),
      0.1,
    ),
  }
}

/** One run after another: rounds of the second are other rounds. */
export function join(earlier: Samples, later: Samples): Samples {
  const rounds = Object.values(earlier).flatMap((all) => all.map(({ round }) => round))
  const shift = rounds.reduce((most, round) => Math.max(most, round), 0)
  const moved = Object.entries(later).map(
    ([id, all]) => [id, all.map((sample) => ({ ...sample, round: sample.round + shift }))] as const,
  )
  return {
    ...earlier,
    ...Object.fromEntries(moved.map(([id, all]) => [id, [...(earlier[id] ?? []), ...all]])),
  }
}
