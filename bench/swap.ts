/** `npm run bench:swap`: 20 changes of routes, certificates and endpoints under load → every answer that was not the expected one. Exit code 1: there was one. */
import { mkdirSync, renameSync, writeFileSync } from 'node:fs'
import { connect } from 'node:net'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'
import { Command } from 'commander'
import { answerBody, makeCertificate, ordinary, prepareMaterials } from './materials.ts'
import { generateAtRate } from './measure.ts'
import { startBackend } from './peers/backend.ts'
import { configuration, startGantry, type StartedGantry } from './peers/gantry.ts'
import { freePort } from './peers/peer.ts'
import { nodeOption, onStage, programOption, say, type Stage } from './stage.ts'

const command = new Command('bench:swap')
  .description(
    '20 changes of routes, certificates and endpoints under load; no answer may be another one, no connection closed.',
  )
  .option('--workers <NAMES>', 'comma separated: with how many', '1,2')
  .option('--rates <NAMES>', 'comma separated: requests a second on each port, or max', '500,max')
  .option('--changes <N>', 'of the configuration', '20')
  .addOption(nodeOption)
  .addOption(programOption)
  .addHelpText('after', '\nExample:\n  npm run bench:swap -- --workers 2 --rates 500')
  .parse()
const options = command.opts<{ workers: string; rates: string; changes: string; node: string; program: string }>()
const changes = Number(options.changes)
/** Milliseconds between two changes. */
const pause = 700

await onStage('swap', options.program, main)

type Count = Readonly<Record<string, number>>

async function main({ folder: work, running }: Stage): Promise<void> {
  const materials = prepareMaterials(join(work, 'materials'))
  const backends = [await freePort(), await freePort()]
  for (const [at, port] of backends.entries()) running.push(await startBackend(join(work, `backend-${at}`), port))
  const certificates = ['one', 'two'].map((name) => makeCertificate(work, name))
  let wrong = 0
  const lines: string[] = []
  for (const workers of options.workers.split(',').map(Number)) {
    for (const rate of options.rates.split(',')) {
      const folder = join(work, `gantry-${workers}-${rate}`)
      mkdirSync(folder, { recursive: true })
      configuration(folder)
      const write = (version: number): void => {
        const certificate = certificates[version % 2]!
        // beside and renamed, as editors and deployments do it: there is no half of a file
        const text = config(version, backends[Math.floor(version / 2) % 2]!, certificate)
        writeFileSync(join(folder, 'next.tmp'), text)
        renameSync(join(folder, 'next.tmp'), join(folder, 'gateway.config.yml'))
      }
      write(0)
      const gantry = await startGantry(
        { folder, backend: backends[0] ?? 0, echo: 0, materials },
        {
          program: options.program,
          node: options.node,
          prepared: true,
          watch: 'on',
          logLevel: 'info',
          workers,
        },
      )
      running.push(gantry)
      const found = await underLoad(gantry, rate, write)
      await running.pop()?.stop()
      for (const { what, requests, bad } of found) {
        const count = Object.values(bad).reduce((sum, one) => sum + one, 0)
        wrong += count
        const text = Object.entries(bad).map(([why, times]) => `${times} × ${why}`)
        lines.push(`| ${workers} | ${rate} | ${what} | ${requests} | ${count === 0 ? '0' : text.join(', ')} |`)
        say(lines.at(-1) ?? '')
      }
    }
  }
  const head =
    '| workers | requests/s | on | answered | other answers and closed connections |\n|---:|---:|---|---:|---|'
  process.stdout.write(`${head}\n${lines.join('\n')}\n`)
  if (wrong > 0) process.exitCode = 1
}

interface Found {
  readonly what: string
  readonly requests: number
  readonly bad: Count
}

async function underLoad(
  gantry: StartedGantry,
  rate: string,
  write: (version: number) => void,
): Promise<readonly Found[]> {
  const seconds = Math.ceil((changes * pause) / 1000) + 3
  const { http, https } = gantry.ports
  const kept = (port: number, secure: boolean): Promise<Found> =>
    generateAtRate({
      port,
      secure,
      targets: [{ host: 'localhost', path: '/plain' }],
      headers: ordinary,
      connections: 64,
      // more than anybody holds: the next request goes out as soon as a connection is free
      rate: rate === 'max' ? 1_000_000 : Number(rate),
      warmSeconds: 0,
      seconds,
      lastByte: answerBody.slice(-1),
    }).then(({ requests, bad }) => ({ what: `${secure ? 'TLS' : 'plain'} connections that are kept`, requests, bad }))
  const stop = new AbortController()
  const fresh = newConnections(http, https, stop.signal)
  const loads = rate === 'max' ? [kept(http, false)] : [kept(http, false), kept(https, true)]
  await sleep(1500)
  for (let version = 1; version <= changes; version++) {
    write(version)
    const due = Date.now() + pause
    const applied = await appears(http, version, 10_000)
    if (!applied) throw new Error(`change ${version} was never served; the gateway says:\n${gantry.printed()}`)
    await sleep(Math.max(0, due - Date.now()))
  }
  const results = await Promise.all(loads)
  stop.abort()
  return [...results, await fresh]
}

/** The version's own route answers. */
async function appears(port: number, version: number, withinMs: number): Promise<boolean> {
  const until = Date.now() + withinMs
  while (Date.now() < until) {
    if ((await once(port, 'plain', `/v${version}`)) === '200') return true
    await sleep(20)
  }
  return false
}

/** A hundred a second, each with one request. */
async function newConnections(http: number, https: number, signal: AbortSignal): Promise<Found> {
  const bad: Record<string, number> = {}
  let requests = 0
  const under: Promise<void>[] = []
  for (let turn = 0; !signal.aborted; turn++) {
    const [port, kind] = turn % 2 === 0 ? ([http, 'plain'] as const) : ([https, 'tls'] as const)
    under.push(
      once(port, kind, '/plain').then((outcome) => {
        requests++
        if (outcome !== '200') bad[`${kind}: ${outcome}`] = (bad[`${kind}: ${outcome}`] ?? 0) + 1
      }),
    )
    await sleep(10)
  }
  await Promise.all(under)
  return { what: 'new connections', requests, bad }
}

/** A status, or what became of the connection. */
function once(port: number, kind: 'plain' | 'tls', path: string): Promise<string> {
  return new Promise((resolve) => {
    const options = { host: '127.0.0.1', port }
    const socket = kind === 'tls' ? tls.connect({ ...options, rejectUnauthorized: false }) : connect(options)
    let text = ''
    let opened = false
    socket.setTimeout(5000, () => {
      resolve(opened ? 'no answer' : 'not connected')
      socket.destroy()
    })
    socket.once(kind === 'tls' ? 'secureConnect' : 'connect', () => {
      opened = true
      socket.write(`GET ${path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n`)
    })
    socket.on('data', (chunk: Buffer) => {
      text += chunk.toString('latin1')
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? error.message))
    socket.once('close', () => {
      const status = text.slice(9, 12)
      const whole = status !== '200' || text.endsWith(answerBody)
      resolve(text === '' ? 'closed without an answer' : whole ? status : 'cut')
    })
  })
}

function config(
  version: number,
  backend: number,
  { cert, key }: { readonly cert: string; readonly key: string },
): string {
  return `http: { port: \${BENCH_PORT}, hostname: 127.0.0.1 }
https: { port: \${BENCH_TLS_PORT}, hostname: 127.0.0.1, tls: { default: { cert: '${cert}', key: '${key}' } } }
apiEndpoints:
  plain: { host: '*', paths: ['/plain'] }
  version: { host: '*', paths: ['/v${version}'] }
serviceEndpoints:
  backend: { url: 'http://127.0.0.1:${backend}' }
policies: [proxy]
pipelines:
  all:
    apiEndpoints: [plain, version]
    policies:
      - proxy: { action: { serviceEndpoint: backend } }
`
}
