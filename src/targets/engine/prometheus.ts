/** The engine's plain counters → Prometheus families, read when somebody scrapes. */
import { Counter, Gauge, Histogram, type Registry } from 'prom-client'
import { BOUNDS, type Counts } from './stats.ts'

/** Registers families whose values are set from the counts at each scrape; the hot path never touches a metric object. */
export function exposeCounts(registry: Registry, source: { readonly counts: Counts }): void {
  const registers = [registry]
  const total = (name: string, help: string, read: (counts: Counts) => number): void => {
    new Counter({
      name,
      help,
      registers,
      collect() {
        this.reset()
        this.inc(read(source.counts))
      },
    })
  }
  const labelled = (
    name: string,
    help: string,
    label: string,
    read: (counts: Counts) => Iterable<readonly [string, number]>,
  ): void => {
    new Counter({
      name,
      help,
      labelNames: [label],
      registers,
      collect() {
        this.reset()
        for (const [value, count] of read(source.counts)) this.inc({ [label]: value }, count)
      },
    })
  }
  new Gauge({
    name: 'gantry_connections',
    help: 'Client connections that are open',
    registers,
    collect() {
      this.set(source.counts.connections)
    },
  })
  total(
    'gantry_connections_opened_total',
    'Client connections that were accepted',
    (counts) => counts.connectionsOpened,
  )
  total('gantry_connections_refused_total', 'Client connections beyond a limit', (counts) => counts.connectionsRefused)
  total('gantry_requests_total', 'Requests whose head was read whole', (counts) => counts.requests)
  total('gantry_upgrades_total', 'Connections that were upgraded', (counts) => counts.upgrades)
  total(
    'gantry_clients_gone_total',
    'Clients that went before their answer was complete',
    (counts) => counts.clientsGone,
  )
  total('gantry_upstream_connects_total', 'Connections made to endpoints', (counts) => counts.upstreamConnects)
  total('gantry_upstream_retries_total', 'Tries after the first', (counts) => counts.upstreamRetries)
  total('gantry_ejections_total', 'Endpoints taken out after failures', (counts) => counts.ejections)
  labelled('gantry_upstream_failures_total', 'Failures of endpoints', 'reason', (counts) =>
    Object.entries(counts.upstreamFailures),
  )
  labelled(
    'gantry_refused_requests_total',
    'Requests that the protocol or a limit ended',
    'reason',
    (counts) => counts.refused,
  )
  new Counter({
    name: 'gantry_route_requests_total',
    help: 'Answers by route and class of status; class 0: no answer',
    labelNames: ['route', 'class'],
    registers,
    collect() {
      this.reset()
      for (const [route, counts] of source.counts.routes) {
        for (const [digit, count] of counts.classes.entries())
          if (count > 0) this.inc({ route, class: `${digit}xx` }, count)
      }
    },
  })
  exposeDurations(registers[0] ?? registry, source)
}

/** prom-client's histogram counts observations itself; this one is given counts that are there already. */
function exposeDurations(registry: Registry, source: { readonly counts: Counts }): void {
  const histogram = new Histogram({
    name: 'gantry_route_duration_seconds',
    help: 'From head to last byte',
    labelNames: ['route'],
    buckets: [...BOUNDS],
    registers: [registry],
  })
  const help = 'From head to last byte'
  histogram.get = () => {
    const values = [...source.counts.routes].flatMap(([route, counts]) => {
      let sum = 0
      const buckets = counts.buckets.map((count, index) => {
        sum += count
        const le = BOUNDS[index] ?? '+Inf'
        return { metricName: 'gantry_route_duration_seconds_bucket', labels: { route, le }, value: sum }
      })
      const count = { metricName: 'gantry_route_duration_seconds_count', labels: { route }, value: sum }
      return [
        ...buckets,
        { metricName: 'gantry_route_duration_seconds_sum', labels: { route }, value: counts.total / 1000 },
        count,
      ]
    })
    return Promise.resolve({
      name: 'gantry_route_duration_seconds',
      help,
      type: 'histogram' as const,
      aggregator: 'sum' as const,
      values,
    }) as unknown as ReturnType<typeof histogram.get>
  }
}
