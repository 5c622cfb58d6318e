/** The configuration of the bench → Gantry on it, one worker on core 0. */
import { cpSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { startProcess, type Running } from './process.ts'

const root = fileURLToPath(new URL('../..', import.meta.url))

export interface GatewayPorts {
  readonly http: number
  readonly https: number
  readonly admin: number
  readonly backend: number
  readonly tls: { readonly cert: string; readonly key: string }
}

export async function startGantry(
  folder: string,
  ports: GatewayPorts,
  how: { readonly program: string; readonly node: string; readonly profile: string | undefined },
): Promise<Running> {
  configuration(folder)
  const profiling = how.profile === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${how.profile}`]
  const args = [...profiling, how.program, 'run', folder, '--log-level', 'error', '--watch', 'off']
  const running = await startProcess({
    command: how.node,
    args,
    core: 0,
    readyPort: ports.http,
    env: environment(ports),
  })
  await createConsumer(ports.admin)
  return running
}

/** The folder that both gateways read: the bench's two files and Gantry's default models. */
export function configuration(folder: string): void {
  mkdirSync(folder, { recursive: true })
  for (const name of ['gateway.config.yml', 'system.config.yml'])
    cpSync(join(root, 'bench/config', name), join(folder, name))
  cpSync(join(root, 'examples/express-gateway/models'), join(folder, 'models'), { recursive: true })
}

export function environment(ports: GatewayPorts): Readonly<Record<string, string>> {
  return {
    NODE_ENV: 'production',
    BENCH_PORT: String(ports.http),
    BENCH_TLS_PORT: String(ports.https),
    BENCH_TLS_CERT: ports.tls.cert,
    BENCH_TLS_KEY: ports.tls.key,
    BENCH_ADMIN_PORT: String(ports.admin),
    BENCH_BACKEND_PORT: String(ports.backend),
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
