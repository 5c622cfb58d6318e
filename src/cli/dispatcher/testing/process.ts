/** Arguments and environment → the program `dispatcher` as a process of its own, and what it says of itself. For tests. */
import { type ChildProcess, spawn } from 'node:child_process'
import { createRequire } from 'node:module'
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { pathToFileURL } from 'node:url'
import { openServer } from '../../../../test/servers/http.ts'
import { freePort } from '../../../../test/servers/port.ts'

const source = new URL('../../../bin/dispatcher.ts', import.meta.url).pathname
const loader = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href

export interface Ended {
  readonly code: number | null
  readonly stdout: string
  readonly stderr: string
}

export type Variables = Readonly<Record<string, string>>

/** Runs to its end. Nothing of this process's own environment but what finds programs. */
export async function runToEnd(words: readonly string[], environment: Variables): Promise<Ended> {
  const { ended } = launch(words, environment)
  return await ended
}

export interface Running {
  readonly pid: number
  readonly port: number
  readonly tlsPort: number
  /** All that it has logged so far. */
  log(): string
  metric(name: string): Promise<number | undefined>
  /** `/gantry/…` of its admin API. */
  admin(path: string): Promise<unknown>
  signal(name: NodeJS.Signals): void
  readonly ended: Promise<Ended>
  /** SIGKILL where it is still there. */
  stop(): Promise<void>
}

/** Resolves when it says that it serves. */
export async function startServing(
  words: readonly string[],
  environment: Variables & { readonly PORT?: string } = {},
): Promise<Running> {
  const [port, tlsPort, adminPort] = [await freePort(), await freePort(), await freePort()]
  const { child, ended, text } = launch(['--serve', ...words], {
    PORT: String(port),
    SSL_PORT: String(tlsPort),
    GANTRY_ADMIN_PORT: String(adminPort),
    ...environment,
  })
  let over = false
  void ended.then(() => (over = true))
  const admin = async (path: string): Promise<Response> => await fetch(`http://127.0.0.1:${adminPort}${path}`)
  const running: Running = {
    pid: child.pid ?? -1,
    port,
    tlsPort,
    log: () => text.stderr,
    metric: async (name) => {
      const lines = (await (await admin('/metrics')).text()).split('\n')
      const line = lines.find((one) => one.startsWith(name))
      return line === undefined ? undefined : Number(line.split(' ').at(-1))
    },
    admin: async (path) => await (await admin(path)).json(),
    signal: (name) => void child.kill(name),
    ended,
    stop: async () => {
      child.kill('SIGKILL')
      await ended
    },
  }
  await until(() => {
    if (over) throw new Error(`it ended: ${text.stderr}`)
    return Promise.resolve(text.stderr.includes('dispatcher/serving'))
  })
  return running
}

function launch(
  words: readonly string[],
  environment: Variables,
): { readonly child: ChildProcess; readonly ended: Promise<Ended>; readonly text: { stdout: string; stderr: string } } {
  const child = spawn(process.execPath, ['--import', loader, source, ...words], {
    env: { PATH: process.env['PATH'] ?? '', HOME: '/nonexistent', ...environment },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const text = { stdout: '', stderr: '' }
  child.stdout.on('data', (chunk: Buffer) => (text.stdout += chunk.toString()))
  child.stderr.on('data', (chunk: Buffer) => (text.stderr += chunk.toString()))
  const ended = new Promise<Ended>((done) => child.once('close', (code) => done({ code, ...text })))
  return { child, ended, text }
}

/** Pods of 127.0.0.0/8 that say their address; `/slow` takes its time. */
export async function startPods(): Promise<{ readonly port: number; stop(): Promise<void> }> {
  const server = http.createServer((request, response) => {
    const answer = (): void => void response.end(request.socket.localAddress ?? '')
    if (request.url?.endsWith('/slow') === true) setTimeout(answer, 1500)
    else answer()
  })
  return await openServer(server)
}

/** A folder for YAML, one for nginx, one for certificates. */
export interface Room {
  readonly folder: string
  readonly yaml: string
  readonly environment: Variables
  /** One namespace `shop`, with these hosts and these paths of one Pod. */
  write(hosts: object, paths: readonly object[], more?: readonly object[]): void
  /** One that its dispatcher has left behind serves on: here nobody wants that. */
  endNginx(): void
  remove(): void
}

export function makeRoom(): Room {
  const folder = mkdtempSync(join(tmpdir(), 'room-'))
  // nginx's workers are another user, and the sockets of the engine behind it lie below
  chmodSync(folder, 0o711)
  const yaml = join(folder, 'yaml')
  mkdirSync(yaml)
  return {
    folder,
    yaml,
    environment: {
      GANTRY_NGINX_FOLDER: join(folder, 'nginx'),
      SSL_CERT_DIR: join(folder, 'ssl'),
    },
    write: (hosts, paths, more = []) =>
      writeFileSync(
        join(yaml, 'all.yaml'),
        [...objectsOf(hosts, paths), ...more].map((one) => JSON.stringify(one)).join('\n---\n'),
      ),
    endNginx: () => endNginx(join(folder, 'nginx/nginx.pid')),
    remove: () => {
      endNginx(join(folder, 'nginx/nginx.pid'))
      rmSync(folder, { recursive: true, force: true, maxRetries: 5 })
    },
  }
}

function endNginx(pidFile: string): void {
  if (!existsSync(pidFile)) return
  try {
    process.kill(Number(readFileSync(pidFile, 'utf8')), 'SIGTERM')
  } catch {
    // it has ended with its dispatcher, as it should
  }
}

const labels = { 'github.com/30x.dispatcher.routable': 'true' }

export function objectsOf(hosts: object, paths: readonly object[]): readonly object[] {
  const ports = paths.map((one) => ({ containerPort: Number((one as { containerPort?: string }).containerPort) }))
  return [
    {
      apiVersion: 'v1',
      kind: 'Namespace',
      metadata: { name: 'shop', labels, annotations: { 'github.com/30x.dispatcher.hosts': JSON.stringify(hosts) } },
    },
    {
      apiVersion: 'v1',
      kind: 'Pod',
      metadata: {
        name: 'shop',
        namespace: 'shop',
        labels,
        annotations: { 'github.com/30x.dispatcher.paths': JSON.stringify(paths) },
      },
      spec: { containers: [{ name: 'c', image: 'i', ports }] },
      status: { phase: 'Running', podIP: '127.6.0.1' },
    },
  ]
}

/** Status and body; 0: no answer. */
export function get(port: number, host: string, path: string): Promise<readonly [number, string]> {
  return new Promise((done) => {
    http
      .get({ port, host: '127.0.0.1', path, agent: false, headers: { host } }, (answer) => {
        let text = ''
        answer.on('data', (chunk: Buffer) => (text += chunk.toString()))
        answer.on('end', () => done([answer.statusCode ?? 0, text]))
        answer.on('error', () => done([0, '']))
      })
      .on('error', () => done([0, '']))
  })
}

/** Within a minute: a machine that does much else takes its time. */
export async function until(holds: () => Promise<boolean>): Promise<void> {
  for (const began = Date.now(); Date.now() - began < 60_000;) {
    if (await holds()) return
    await sleep(50)
  }
  throw new Error('it never came')
}

/** Every file below, with its content. */
export function filesOf(folder: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    readdirSync(folder, { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isFile())
      .map((entry) => join(entry.parentPath, entry.name))
      .sort()
      .map((path) => [path, readFileSync(path, 'utf8')]),
  )
}
