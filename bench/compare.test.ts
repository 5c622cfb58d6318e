/** What the figures of the bench are made of. */
import { expect, test } from 'vitest'
import { compare, join, type RoundSample } from './compare.ts'
import { quantile } from './measure.ts'

const sample = (round: number, cpuUs: number): RoundSample => ({
  round,
  cpuUs,
  requests: 1000,
  rps: 1000,
  bytesPerSecond: 0,
  p50Ms: 1,
  p99Ms: 2,
  bad: 0,
  rssMb: 10,
  core: 1,
})

test('a ratio is of one round: a machine that is slower for both in another changes nothing', () => {
  const nginx = [sample(1, 20), sample(2, 40), sample(3, 30)]
  const compared = compare('gantry', [sample(1, 30), sample(2, 60), sample(3, 45)], nginx)
  expect([compared.ratio, compared.lower, compared.upper]).toEqual([1.5, 1.5, 1.5])
  expect([compared.cpuUs, compared.rounds, compared.rps]).toEqual([45, 3, 1000])
  expect(compared.quietUs).toBeCloseTo(33)
})

test('rounds in which nginx was not measured count for the medians alone', () => {
  const compared = compare('envoy', [sample(1, 90), sample(4, 10)], [sample(4, 10)])
  expect([compared.ratio, compared.cpuUs]).toEqual([1, 50])
  expect(compare('envoy', [sample(1, 90)], []).ratio).toBeNaN()
})

test('quantiles lie between values', () => {
  expect([quantile([4, 1, 2, 3], 0), quantile([1, 2, 3, 4], 0.5), quantile([7, Number.NaN], 1)]).toEqual([1, 2.5, 7])
  expect(quantile([], 0.5)).toBeNaN()
})

test('rounds of two runs are not taken for each other', () => {
  const joined = join(
    { 'plain/nginx': [sample(1, 20)] },
    { 'plain/nginx': [sample(1, 30)], 'plain/gantry': [sample(1, 45)] },
  )
  expect(joined['plain/nginx']?.map(({ round }) => round)).toEqual([1, 2])
  expect(compare('gantry', joined['plain/gantry'] ?? [], joined['plain/nginx'] ?? []).ratio).toBe(1.5)
})
