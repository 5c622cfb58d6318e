/** In the lab: options → an implementation is installed, the rows are measured one after the other, and figures are written. */
import { execFileSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Cluster,
  clearRoutes,
  echoAddresses,
  endpointsOf,
  enter,
  inParallel,
  makeService,
  prepare,
  routesPath,
  routeTo,
  slicesPath,
  until,
  usage,
} from './cluster.ts'
import { insideShape, type InsideOptions } from './options.ts'
import type { Kube } from '../../conformance/kubelet/kube.ts'
import { type Figure, percentile, type RowName } from './rows.ts'

const options = insideShape.parse(JSON.parse(process.argv[2] ?? ''))
const say = (line: string): void => console.error(`bench: ${options.peer}: ${line}`)
/** By their command lines: who reads the cluster, and who carries requests. */
const processes = {
  gantry: { control: 'gantry.js controller', data: 'gantry.js data-plane' },
  'envoy-gateway': { control: 'envoy-gateway server', data: '--service-cluster' },
}[options.peer]

const rows: Readonly<
  Record<Exclude<RowName, 'alone'>, (cluster: Cluster, options: InsideOptions) => Promise<readonly Figure[]>>
> = {
  attach,
  add,
  change,
  churn,
}

const figures: Figure[] = []
const keep = (found: readonly Figure[]): void => {
  for (const { row, name, value, unit } of found) say(`${row}: ${name}: ${value.toFixed(unit === 's' ? 2 : 1)} ${unit}`)
  figures.push(...found)
  writeFileSync(options.result, JSON.stringify({ peer: options.peer, figures }))
}
const kube = await enter()
if (options.rows.includes('alone')) keep(await alone(kube, options))
for (const path of options.manifests) run('kubectl', ['apply', '--server-side', '-f', path])
if (options.install !== undefined) run('sh', ['-c', options.install])
run('kubectl', ['wait', `gatewayclass/${options.gatewayClass}`, '--for', 'condition=Accepted', '--timeout', '60s'])
const cluster = await prepare(kube, options.gatewayClass)
for (const row of options.rows) {
  if (row === 'alone') continue
  say(`${row} begins`)
  keep(await rows[row](cluster, options))
  if (row !== options.rows.at(-1)) await cluster.clear()
}
process.exit(0)

/** No controller at all: what the API server takes for the routes, and for one status of each, which any controller writes. */
async function alone(kube: Kube, { attach: count }: InsideOptions): Promise<readonly Figure[]> {
  const row = 'alone'
  // a kind that nobody has listed yet is not ready to be written
  await kube.get(routesPath)
  await sleep(2000)
  const spent = cpuSince({
    'API server': 'kube-apiserver',
    etcd: 'bin/etcd',
    'controller manager': 'kube-controller-manager',
  })
  const began = performance.now()
  const since = (): number => (performance.now() - began) / 1000
  await inParallel(16, count, (index) => kube.post(routesPath, routeTo(`o-${index}`)))
  const created = since()
  const lastTransitionTime = new Date().toISOString()
  const condition = (type: string): object => ({
    type,
    status: 'True',
    reason: type,
    message: '',
    observedGeneration: 1,
    lastTransitionTime,
  })
  const parent = {
    controllerName: 'bench.invalid/nobody',
    parentRef: { name: 'scale' },
    conditions: [condition('Accepted'), condition('ResolvedRefs')],
  }
  await inParallel(16, count, (index) =>
    kube.patch(`${routesPath}/o-${index}/status`, { status: { parents: [parent] } }),
  )
  const written = since()
  const cpu = spent(row)
  await clearRoutes(kube)
  return [
    { row, name: 'all created, no controller', value: created, unit: 's' },
    { row, name: 'then one status written each', value: written - created, unit: 's' },
    ...cpu,
  ]
}

/** Whose CPU time it was, by what command lines hold. */
function cpuSince(texts: Readonly<Record<string, string>>): (row: RowName) => readonly Figure[] {
  const before = Object.entries(texts).map(([name, text]) => [name, text, usage(text).cpu] as const)
  return (row) =>
    before.map(([name, text, cpu]) => ({ row, name: `CPU, ${name}`, value: usage(text).cpu - cpu, unit: 's' }))
}

/** Many at once: three independent facts, for a data plane may serve before the API says so. */
async function attach(
  { kube, told, ask, reset }: Cluster,
  { attach: count }: InsideOptions,
): Promise<readonly Figure[]> {
  const row = 'attach'
  reset()
  const spent = cpuSince({
    'control plane': processes.control,
    'data plane': processes.data,
    'API server': 'kube-apiserver',
    etcd: 'bin/etcd',
    'controller manager': 'kube-controller-manager',
    bench: 'gateway-api/inside.ts',
  })
  const began = performance.now()
  const since = (): number => (performance.now() - began) / 1000
  let created = 0
  const [accepted, counted, serving] = await Promise.all([
    until('all are accepted', 120, () => told.accepted.size === count).then(since),
    until('all are counted', 120, () => told.attached === count).then(since),
    (async () => {
      await until('the last is created', 120, () => created > 0)
      await until('the last one serves', 120, async () => (await ask(`/r-${count - 1}/`)) === 200)
      return since()
    })(),
    inParallel(16, count, (index) => kube.post(routesPath, routeTo(`r-${index}`))).then(() => {
      created = since()
    }),
  ])
  const cpu = spent(row)
  // whatever is still to be written is written by then
  await sleep(3000)
  return [
    { row, name: 'all created', value: created, unit: 's' },
    { row, name: 'the last one serves', value: serving, unit: 's', limit: 3 },
    { row, name: 'all accepted', value: accepted, unit: 's', limit: 3 },
    { row, name: 'all counted', value: counted, unit: 's', limit: 3 },
    { row, name: 'after the last was created', value: Math.max(accepted, counted, serving) - created, unit: 's' },
    { row, name: 'status writes on routes, each', value: told.routes / count, unit: '', limit: 1 },
    { row, name: 'status writes on the Gateway', value: told.gateway, unit: '', limit: 20 },
    ...cpu,
  ]
}

/** One by one: from the answer to the POST to the first 200, and never anything but 404 before. */
async function add({ kube, ask }: Cluster, { add: count }: InsideOptions): Promise<readonly Figure[]> {
  const row = 'add'
  const times: number[] = []
  const wrong: number[] = []
  for (let index = 0; index < count; index += 1) {
    const path = `/a-${index}/`
    const before = await ask(path)
    if (before !== 404) wrong.push(before)
    await kube.post(routesPath, routeTo(`a-${index}`))
    const began = performance.now()
    for (;;) {
      const status = await ask(path)
      if (status === 200) break
      if (status !== 404) wrong.push(status)
      if (performance.now() - began > 30_000) throw new Error(`${path} does not serve after 30 s`)
      await sleep(2)
    }
    times.push(performance.now() - began)
    if (index % 250 === 249) say(`${row}: ${index + 1} routes, p50 ${percentile(times.slice(-250), 0.5).toFixed(0)} ms`)
  }
  say(`${row}: of what was neither 404 nor 200: ${[...new Set(wrong)].join(', ') || 'none'}`)
  return [
    { row, name: 'first 200 after POST, p50', value: percentile(times, 0.5), unit: 'ms' },
    { row, name: 'first 200 after POST, p90', value: percentile(times, 0.9), unit: 'ms' },
    { row, name: 'first 200 after POST, p99', value: percentile(times, 0.99), unit: 'ms', limit: 100 },
    { row, name: 'first 200 after POST, worst', value: Math.max(...times), unit: 'ms' },
    { row, name: 'answers other than 404 and then 200', value: wrong.length, unit: '', limit: 0 },
  ]
}

/** Routes that are being asked change their backend, a header and their shares. */
async function change({ kube, ask }: Cluster, { change: changes }: InsideOptions): Promise<readonly Figure[]> {
  const row = 'change'
  const count = 20
  await inParallel(16, count, (index) => kube.post(routesPath, routeTo(`c-${index}`)))
  for (let index = 0; index < count; index += 1)
    await until('it serves', 30, async () => (await ask(`/c-${index}/`)) === 200)
  const load = startLoad(500, (turn) => ask(`/c-${turn % count}/`))
  await sleep(1000)
  for (let index = 0; index < changes; index += 1) {
    const name = `c-${index % count}`
    const [backend, other] = index % 2 === 0 ? ['echo-too', 'echo'] : ['echo', 'echo-too']
    const set = [{ name: 'x-change', value: String(index) }]
    const { spec } = routeTo(name) as { spec: { rules: readonly object[] } }
    const rules = spec.rules.map((rule) => ({
      ...rule,
      filters: [{ type: 'RequestHeaderModifier', requestHeaderModifier: { set } }],
      backendRefs: [
        { name: backend, port: 80, weight: 9 },
        { name: other, port: 80, weight: 1 },
      ],
    }))
    await kube.patch(`${routesPath}/${name}`, { spec: { rules } })
    await sleep(500)
  }
  const { asked, failed, times } = await load()
  return [
    { row, name: 'requests', value: asked, unit: '' },
    { row, name: 'answers other than 200', value: failed, unit: '', limit: 0 },
    { row, name: 'answer, p50', value: percentile(times, 0.5), unit: 'ms' },
    { row, name: 'answer, p99', value: percentile(times, 0.99), unit: 'ms' },
  ]
}

/** Ten routes a Service; every tenth of a second five Services get other endpoints, while requests go through. */
async function churn(
  { kube, ask }: Cluster,
  { churn: count, churnSeconds }: InsideOptions,
): Promise<readonly Figure[]> {
  const row = 'churn'
  const pods = await echoAddresses(kube)
  const services = Math.ceil(count / 10)
  await inParallel(16, services, (index) => makeService(kube, `s-${index}`, pods))
  await inParallel(16, count, (index) => kube.post(routesPath, routeTo(`e-${index}`, `s-${index % services}`)))
  await until('the last one serves', 300, async () => (await ask(`/e-${count - 1}/`)) === 200)
  say(`${row}: ${count} routes serve, ${services} Services change`)
  const load = startLoad(100, (turn) => ask(`/e-${(turn * 7919) % count}/`))
  const control: number[] = []
  const data: number[] = []
  let turn = 0
  for (const end = Date.now() + churnSeconds * 1000; Date.now() < end;) {
    await inParallel(5, 5, () => {
      const service = (turn * 31) % services
      const addresses = pods.filter((_, index) => ((turn >> 2) + index) % 4 !== 0)
      turn += 1
      return kube.patch(`${slicesPath}/s-${service}`, { endpoints: endpointsOf(addresses) })
    })
    control.push(usage(processes.control).now)
    data.push(usage(processes.data).now)
    await sleep(100)
  }
  const { asked, failed, times } = await load()
  return [
    { row, name: 'changes of endpoints', value: turn, unit: '' },
    { row, name: 'requests', value: asked, unit: '' },
    { row, name: 'answers other than 200', value: failed, unit: '', limit: 0 },
    { row, name: 'answer, p99', value: percentile(times, 0.99), unit: 'ms' },
    { row, name: 'control plane, most memory while it lasts', value: Math.max(...control), unit: 'MB', limit: 400 },
    { row, name: 'control plane, most memory ever', value: usage(processes.control).peak, unit: 'MB' },
    { row, name: 'data plane, most memory while it lasts', value: Math.max(...data), unit: 'MB', limit: 200 },
    { row, name: 'data plane, most memory ever', value: usage(processes.data).peak, unit: 'MB' },
  ]
}

/** So many requests a second, whether answered or not; the function that it returns ends it. */
function startLoad(
  perSecond: number,
  ask: (turn: number) => Promise<number>,
): () => Promise<{ readonly asked: number; readonly failed: number; readonly times: readonly number[] }> {
  const began = performance.now()
  const open = new Set<Promise<void>>()
  const times: number[] = []
  const codes = new Map<number, number>()
  let asked = 0
  const timer = setInterval(() => {
    const due = ((performance.now() - began) / 1000) * perSecond
    for (; asked < due; asked += 1) {
      const sent = performance.now()
      const one = ask(asked).then((status) => {
        open.delete(one)
        times.push(performance.now() - sent)
        codes.set(status, (codes.get(status) ?? 0) + 1)
      })
      open.add(one)
    }
  }, 2)
  return async () => {
    clearInterval(timer)
    await Promise.all(open)
    say(`answers: ${[...codes].map(([code, count]) => `${count} × ${code}`).join(', ')}`)
    return { asked, failed: asked - (codes.get(200) ?? 0), times }
  }
}

function run(file: string, args: readonly string[]): void {
  execFileSync(file, args, { stdio: ['ignore', 'ignore', 'inherit'] })
}
