/**
 * `npm run bench:dispatcher` → how soon a change of a Pod is served and what it costs, with the engine and with nginx; how soon
 * 1,000 Pods of 200 namespaces are; as lines of a Markdown table. Needs the API server of the lab (conformance/README.md).
 * A number: how many changes (default 40). `--source`: from source instead of the build.
 */
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { freePorts, startApiServer } from '../../conformance/lab.ts'
import { startFront } from '../../conformance/faults.ts'
import type { Resource } from '../../conformance/kubelet/objects.ts'
import { type Program, startProgram, typescript } from '../../conformance/program.ts'

type Target = 'engine' | 'nginx'

const labels = { 'github.com/30x.dispatcher.routable': 'true' }
const words = process.argv.slice(2)
const changes = Number(words.find((word) => /^\d+$/.test(word)) ?? 40)
const folder = mkdtempSync(join(tmpdir(), 'bench-dispatcher-'))
const server = await startApiServer({ controllers: false })
process.stdout.write('| measured | target | result |\n|---|---|---|\n')
try {
  await makeNamespace('churn', 'churn.test')
  for (const target of ['engine', 'nginx'] as const) await churn(target)
  await crowd()
  for (const target of ['engine', 'nginx'] as const) await start(target)
} finally {
  await server.stop()
  rmSync(folder, { recursive: true, force: true })
}

/** Each as soon as it is known. */
function say(...rows: readonly string[]): void {
  process.stdout.write(rows.map((row) => `${row}\n`).join(''))
}

// --- a Pod that comes and goes under load ----------------------------------------------------------------------------

async function churn(target: Target): Promise<void> {
  const [port, admin, podPort] = (await freePorts(3)) as [number, number, number]
  const pods = startPods(podPort)
  // two that stay, and one that comes and goes
  for (const last of [1, 2]) await putPod('churn', `stays-${last}`, `127.4.0.${last}`, podPort)
  await putPod('churn', 'moves', '127.4.0.3', podPort, 'not ready')
  const program = dispatcher(target, port, admin, server.kubeconfig)
  await until(program, async () => (await get(port, 'churn.test', '/')) === 200)
  const seenAt = new Map<string, number>()
  const abort = new AbortController()
  await server.kube.watch<
    Resource & { readonly status?: { readonly conditions?: readonly { readonly status: string }[] } }
  >(
    '/api/v1/namespaces/churn/pods',
    ({ metadata, status }) => {
      if (metadata.name === 'moves') seenAt.set(status?.conditions?.[0]?.status ?? '', performance.now())
    },
    abort.signal,
  )
  const load = startLoad(port, 'churn.test', 16)
  await sleep(2000)
  const before = await counted(admin, 'gantry_nginx_activations_total{outcome="applied"}')
  const began = performance.now()
  const comes: number[] = []
  const goes: number[] = []
  for (let n = 0; n < changes; n++) {
    const ready = n % 2 === 0
    const word = ready ? 'True' : 'False'
    seenAt.delete(word)
    const quiet = load.lastOf('127.4.0.3')
    await setReady('churn', 'moves', ready ? 'ready' : 'not ready')
    while (!seenAt.has(word)) await sleep(1)
    const event = seenAt.get(word) ?? 0
    // served: its first answer after the event; or left alone: its last
    if (ready) {
      while (load.lastOf('127.4.0.3') <= Math.max(quiet, event)) await sleep(1)
      comes.push(load.firstAfter('127.4.0.3', event) - event)
      await sleep(100)
    } else {
      for (let last = -1; last !== load.lastOf('127.4.0.3');) {
        last = load.lastOf('127.4.0.3')
        await sleep(target === 'engine' ? 200 : 3000)
      }
      goes.push(Math.max(0, load.lastOf('127.4.0.3') - event))
    }
  }
  const seconds = (performance.now() - began) / 1000
  const reloads = (await counted(admin, 'gantry_nginx_activations_total{outcome="applied"}')) - before
  // and many at once: what is gathered
  const burst = target === 'nginx' ? await bursts(admin) : undefined
  await load.stop()
  abort.abort()
  say(
    `| a Pod becomes ready → its first answer, after the watch event | ${target} | ${spread(comes)} |`,
    `| a Pod becomes unready → its last answer, after the watch event | ${target} | ${spread(goes)} |`,
    `| requests lost in ${comes.length + goes.length} changes, at ${Math.round(load.done() / seconds)} requests a second | ${target} | ${load.lost()} of ${load.done()}; ${load.again()} asked again |`,
    ...[...load.reasons()].map(([why, count]) => `| … of them: ${why} | ${target} | ${count} |`),
  )
  if (target === 'nginx') say(`| reloads for these ${comes.length + goes.length} changes | nginx | ${reloads} |`)
  if (burst !== undefined)
    say(`| reloads for 50 changes, one each 200 ms | nginx | ${burst.reloads} in ${burst.seconds.toFixed(1)} s |`)
  await program.stop(30_000)
  await pods.stop()
}

async function bursts(admin: number): Promise<{ readonly reloads: number; readonly seconds: number }> {
  const name = 'gantry_nginx_activations_total{outcome="applied"}'
  const before = await counted(admin, name)
  const began = performance.now()
  for (let n = 0; n < 50; n++) {
    const next = sleep(200)
    await setReady('churn', 'moves', n % 2 === 0 ? 'ready' : 'not ready')
    await next
  }
  const seconds = (performance.now() - began) / 1000
  await sleep(3000)
  return { reloads: (await counted(admin, name)) - before, seconds }
}

// --- 1,000 Pods in 200 namespaces ------------------------------------------------------------------------------------

async function crowd(): Promise<void> {
  await inParallel(200, async (index) => {
    await makeNamespace(`n${index}`, `n${index}.test`)
    await server.kube.post(`/api/v1/namespaces/n${index}/secrets`, {
      metadata: { name: 'routing' },
      stringData: { 'api-key': `key ${index}` },
    })
    for (let pod = 0; pod < 5; pod++)
      await putPod(`n${index}`, `p${pod}`, `127.5.${index}.${pod + 1}`, 8080, 'ready', `/a${pod}`)
  })
}

async function start(target: Target): Promise<void> {
  const [port, admin] = (await freePorts(2)) as [number, number]
  const front = await startFront(server)
  let firstAsked = 0
  let lastList = 0
  let lists = 0
  front.obey(({ path }) => {
    firstAsked ||= performance.now()
    if (!path.includes('watch=1')) {
      lists++
      lastList = performance.now()
    }
    return undefined
  })
  const program = dispatcher(target, port, admin, front.kubeconfig)
  const hosts = [0, 99, 199]
  // keyed: 403 says that the path is there, and its key
  await until(program, async () =>
    (await Promise.all(hosts.map((index) => get(port, `n${index}.test`, '/a4')))).every((one) => one === 403),
  )
  const served = performance.now()
  await sleep(3000)
  const memory = memoryOf(program.pid)
  say(
    `| 1,000 Pods in 200 namespaces: ${lists} lists, after the first request | ${target} | ${Math.round(lastList - firstAsked)} ms |`,
    `| … the last list asked for → all of them served | ${target} | ${Math.round(served - lastList)} ms |`,
    `| … resident memory of dispatcher | ${target} | ${memory} MiB |`,
  )
  await program.stop(30_000)
  await front.stop()
}

/** Of the program itself; nginx's own processes are not in it. */
function memoryOf(pid: number): number {
  const kibibytes = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))?.[1]
  return Math.round(Number(kibibytes) / 1024)
}

// --- parts -----------------------------------------------------------------------------------------------------------

function dispatcher(target: Target, port: number, admin: number, kubeconfig: string): Program {
  const [command = '', ...before] = words.includes('--source')
    ? typescript(new URL('../../src/bin/dispatcher.ts', import.meta.url).pathname)
    : [process.execPath, new URL('../../dist/bin/dispatcher.js', import.meta.url).pathname]
  return startProgram(
    command,
    [...before, '--serve', '--target', target, '--kubeconfig', kubeconfig],
    join(folder, `${target}.log`),
    {
      ...process.env,
      PORT: String(port),
      GANTRY_ADMIN_PORT: String(admin),
      GANTRY_NGINX_FOLDER: join(folder, `nginx-${port}`),
      SSL_CERT_DIR: join(folder, 'ssl'),
    },
  )
}

async function makeNamespace(name: string, host: string): Promise<void> {
  await server.kube.post('/api/v1/namespaces', {
    metadata: { name, labels, annotations: { 'github.com/30x.dispatcher.hosts': JSON.stringify({ [host]: {} }) } },
  })
  // nobody else makes it here, and no Pod is let in without
  await server.kube.post(`/api/v1/namespaces/${name}/serviceaccounts`, { metadata: { name: 'default' } })
}

async function putPod(
  namespace: string,
  name: string,
  ip: string,
  port: number,
  ready: Ready = 'ready',
  basePath = '/',
): Promise<void> {
  const pods = `/api/v1/namespaces/${namespace}/pods`
  await server.kube.delete(`${pods}/${name}?gracePeriodSeconds=0`).catch(() => undefined)
  await server.kube.post(pods, {
    metadata: {
      name,
      labels,
      annotations: { 'github.com/30x.dispatcher.paths': JSON.stringify([{ basePath, containerPort: String(port) }]) },
    },
    spec: {
      automountServiceAccountToken: false,
      containers: [{ name: 'c', image: 'none', ports: [{ containerPort: port }] }],
    },
  })
  await setReady(namespace, name, ready, ip)
}

type Ready = 'ready' | 'not ready'

async function setReady(namespace: string, name: string, ready: Ready, ip?: string): Promise<void> {
  await server.kube.patch(`/api/v1/namespaces/${namespace}/pods/${name}/status`, {
    status: {
      phase: 'Running',
      ...(ip === undefined ? {} : { podIP: ip, podIPs: [{ ip }] }),
      conditions: [{ type: 'Ready', status: ready === 'ready' ? 'True' : 'False' }],
    },
  })
}

async function inParallel(count: number, work: (index: number) => Promise<void>): Promise<void> {
  let next = 0
  await Promise.all(
    Array.from({ length: 16 }, async () => {
      while (next < count) await work(next++)
    }),
  )
}

/** Every address of this machine is a Pod, which says its address. */
function startPods(port: number): { stop(): Promise<void> } {
  const pods = http.createServer((request, response) => response.end(request.socket.localAddress ?? ''))
  pods.listen(port, '0.0.0.0')
  return {
    stop: () =>
      new Promise((done) => {
        pods.close(() => done())
        pods.closeAllConnections()
      }),
  }
}

interface Load {
  /** When this Pod answered last; -1: never. */
  lastOf(address: string): number
  firstAfter(address: string, time: number): number
  done(): number
  lost(): number
  /** Asked once more, for the idle connection was closed. */
  again(): number
  /** Of what was lost or asked again: the error or status, on which connection, when. */
  reasons(): ReadonlyMap<string, number>
  stop(): Promise<void>
}

/** So many clients, each on its own connection, each with a pause of a millisecond. */
function startLoad(port: number, host: string, clients: number): Load {
  const times = new Map<string, number[]>()
  let going = true
  let done = 0
  let lost = 0
  let again = 0
  const reasons = new Map<string, number>()
  const because = (why: string): void => void reasons.set(why, (reasons.get(why) ?? 0) + 1)
  const agent = new http.Agent({ keepAlive: true, maxSockets: clients })
  const once = (): Promise<void> =>
    new Promise((resolve) => {
      let answered = false
      const sent = http.get({ port, host: '127.0.0.1', agent, headers: { host } }, (answer) => {
        answered = true
        let text = ''
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
        answer.on('end', () => {
          done++
          if (answer.statusCode !== 200) {
            lost++
            because(`status ${answer.statusCode}`)
          }
          const list = times.get(text)
          if (list === undefined) times.set(text, [performance.now()])
          else list.push(performance.now())
          resolve()
        })
      })
      sent.on('error', (error: NodeJS.ErrnoException) => {
        const since = sent.reusedSocket ? 'a connection that had answered before' : 'a new connection'
        because(
          `${error.code ?? error.message} on ${since}, ${answered ? 'within an' : 'before any byte of an'} answer`,
        )
        // closed while it was idle, and nothing of an answer came: every client asks again then (RFC 9112, 9.3.1)
        if (sent.reusedSocket && !answered) {
          again++
          resolve(once())
          return
        }
        done++
        lost++
        resolve()
      })
    })
  const all = Array.from({ length: clients }, async () => {
    while (going) {
      await once()
      await sleep(1)
    }
  })
  return {
    lastOf: (address) => times.get(address)?.at(-1) ?? -1,
    firstAfter: (address, time) => times.get(address)?.find((one) => one > time) ?? Infinity,
    done: () => done,
    lost: () => lost,
    again: () => again,
    reasons: () => reasons,
    async stop() {
      going = false
      await Promise.all(all)
      agent.destroy()
    },
  }
}

/** 0: no answer. */
function get(port: number, host: string, path: string): Promise<number> {
  return new Promise((done) => {
    http
      .get({ port, host: '127.0.0.1', path, agent: false, headers: { host } }, (answer) => {
        answer.resume()
        answer.on('end', () => done(answer.statusCode ?? 0))
        answer.on('error', () => done(0))
      })
      .on('error', () => done(0))
  })
}

async function counted(admin: number, name: string): Promise<number> {
  const text = await (await fetch(`http://127.0.0.1:${admin}/metrics`)).text()
  const line = text.split('\n').find((one) => one.startsWith(name))
  return line === undefined ? 0 : Number(line.split(' ').at(-1))
}

async function until(program: Program, holds: () => Promise<boolean>): Promise<void> {
  for (let left = 6000; left > 0; left--) {
    if (await holds()) return
    if (!program.isRunning()) throw new Error(`dispatcher ended:\n${program.tail()}`)
    await sleep(10)
  }
  throw new Error(`it never came:\n${program.tail()}`)
}

function spread(times: readonly number[]): string {
  const sorted = [...times].sort((a, b) => a - b)
  const at = (share: number): string =>
    (sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))] ?? 0).toFixed(1)
  return `median ${at(0.5)} ms, most ${at(1)} ms`
}
