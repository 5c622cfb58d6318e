/** What several processes have counted is one exposition, as text and as objects. */
import { expect, test } from 'vitest'
import { createMetrics } from './metrics.ts'

test('counts of joined processes are added to ours', async () => {
  const ours = createMetrics()
  const theirs = [createMetrics(), createMetrics()]
  for (const [index, metrics] of [ours, ...theirs].entries()) {
    metrics.counter('eg', 'express-gateway', ['type'])(['SUCCESS'], 10 ** index)
  }
  expect((await ours.expose()).text).toContain('eg{type="SUCCESS"} 1\n')
  ours.join(() => Promise.all(theirs.map((metrics) => metrics.registry.getMetricsAsJSON())))
  expect((await ours.expose()).text).toContain('eg{type="SUCCESS"} 111\n')
  expect(await ours.objects()).toMatchObject([
    { name: 'eg', type: 'counter', values: [{ value: 111, labels: { type: 'SUCCESS' } }] },
  ])
})

test('one name is one metric, whoever asks for it', async () => {
  const metrics = createMetrics()
  metrics.counter('n', 'help')([])
  metrics.counter('n', 'help')([], 2)
  expect((await metrics.expose()).text).toContain('n 3\n')
})
