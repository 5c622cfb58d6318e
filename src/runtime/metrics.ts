/** Named counters → Prometheus text. Registration is idempotent: two plans that ask for one name get one metric. */
import {
  AggregatorRegistry,
  Counter,
  Gauge,
  Histogram,
  Registry,
  type MetricObjectWithValues,
  type MetricValue,
} from 'prom-client'
import type { Metrics } from '../policies/services.ts'

export interface MetricsRegistry extends Metrics {
  /** The exposition and its content type. */
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
  /** The same as objects, one a metric. */
  objects(): Promise<readonly object[]>
  readonly registry: Registry
  /** Other processes whose counts are added to ours at each scrape. */
  join(others: () => Promise<readonly (readonly object[])[]>): void
}

export function createMetrics(): MetricsRegistry {
  const registry = new Registry()
  let others: (() => Promise<readonly (readonly object[])[]>) | undefined
  const together = async (also: NonNullable<typeof others>) => {
    const all = [await registry.getMetricsAsJSON(), ...(await also())]
    return AggregatorRegistry.aggregate(all as MetricObjectWithValues<MetricValue<string>>[][] as never)
  }
  const known = <T>(name: string, make: () => T): T => (registry.getSingleMetric(name) as T | undefined) ?? make()
  return {
    registry,
    counter: (name, help, labels = []) => {
      const counter = known(name, () => new Counter({ name, help, labelNames: [...labels], registers: [registry] }))
      return (values, amount = 1) =>
        counter.inc(Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), amount)
    },
    histogram: (name, help, buckets, labels = []) => {
      const make = (): Histogram =>
        new Histogram({ name, help, buckets: [...buckets], labelNames: [...labels], registers: [registry] })
      const histogram = known(name, make)
      return (values, value) =>
        histogram.observe(Object.fromEntries(labels.map((label, index) => [label, values[index] ?? ''])), value)
    },
    gauge: (name, help, collect) => {
      registry.removeSingleMetric(name)
      new Gauge({
        name,
        help,
        registers: [registry],
        collect() {
          this.set(collect())
        },
      })
    },
    join: (given) => {
      others = given
    },
    expose: async () => {
      const { contentType } = registry
      if (others === undefined) return { contentType, text: await registry.metrics() }
      return { contentType, text: await (await together(others)).metrics() }
    },
    objects: async () => (others === undefined ? registry : await together(others)).getMetricsAsJSON(),
  }
}
