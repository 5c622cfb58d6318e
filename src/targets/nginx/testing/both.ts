/** Models → the engine and real nginx, each serving them; raw requests → what each answers and what a backend saw. For tests. */
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import net from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import tls from 'node:tls'
import { openServer } from '../../../../test/servers/http.ts'
import { freePort } from '../../../../test/servers/port.ts'
import type { Model } from '../../../model/model.ts'
import { prepare } from '../../../pipeline/run.ts'
import { compileCondition } from '../../../policies/conditions.ts'
import { policies } from '../../../policies/list.ts'
import { createEngine } from '../../engine/engine.ts'
import { createTestServices } from '../../engine/testing.ts'
import type { Target } from '../../target.ts'
import { createNginx, type Nginx } from '../nginx.ts'

export type Kind = 'engine' | 'nginx'
export const kinds: readonly Kind[] = ['engine', 'nginx']

export interface Both {
  readonly nginx: Nginx
  /** What nginx has logged. */
  log(): readonly string[]
  /** `port` of the model's listeners is replaced: each target has one of its own for each port of the model. */
  apply(model: Model): Promise<void>
  /** Where a port of the model is. */
  portOf(kind: Kind, port: number): number
  stop(): Promise<void>
}

/** Both with a backend behind them, for the tests of one file. */
export async function startStage(): Promise<{
  readonly both: Both
  readonly backend: Backend
  stop(): Promise<void>
}> {
  const backend = await startBackend()
  const both = await startBoth()
  const stop = async (): Promise<void> => {
    await both.stop()
    await backend.stop()
  }
  return { both, backend, stop }
}

/** Throws where a target refuses a model. A new model gets new ports, so that no worker of before answers for it. */
async function startBoth(): Promise<Both> {
  const folder = mkdtempSync(join(tmpdir(), 'both-'))
  // nginx's workers are another user
  chmodSync(folder, 0o711)
  const own = (): Target<unknown> =>
    createEngine({ policies, services: createTestServices(), conditions: compileCondition }) as Target<unknown>
  const engine = own()
  const events: { code: string; message: string }[] = []
  const nginx = createNginx({
    policies,
    services: createTestServices(events),
    engine: own(),
    folder: join(folder, 'run'),
    certificateFolder: join(folder, 'ssl'),
    workers: 1,
  })
  let ports = new Map<string, number>()
  return {
    nginx,
    log: () => events.map(({ message }) => message),
    async apply(model) {
      const next = new Map<string, number>()
      for (const kind of kinds)
        for (const port of new Set(model.listeners.map((one) => one.port)))
          next.set(`${kind} ${port}`, await freePort())
      for (const kind of kinds) {
        const listeners = model.listeners.map((one) => ({
          ...one,
          address: '127.0.0.1',
          port: next.get(`${kind} ${one.port}`) ?? 0,
        }))
        const { plan, diagnostics } = prepare([{ model: { ...model, listeners } }])
        const wrong = diagnostics.find(({ severity }) => severity === 'error')
        if (wrong !== undefined) throw new Error(wrong.message)
        const target = kind === 'engine' ? engine : (nginx as Target<unknown>)
        const applied = await target.apply(target.compile(plan).artifact)
        if (applied.kind === 'refused') throw new Error(applied.diagnostics.map((one) => one.message).join())
      }
      ports = next
    },
    portOf: (kind, port) => ports.get(`${kind} ${port}`) ?? 0,
    async stop() {
      await Promise.all([nginx.stop(0), engine.stop(0)])
      rmSync(folder, { recursive: true, force: true })
    },
  }
}

/** What a backend saw, as it says it in its answer. */
export interface Seen {
  /** The address that it was asked at. */
  readonly at: string
  readonly method: string
  readonly target: string
  readonly version: string
  /** Lower case, sorted; without what belongs to the connection. */
  readonly headers: readonly string[]
  readonly body: string
}

export interface Backend {
  readonly port: number
  stop(): Promise<void>
}

/** One server on every address of this machine, so that each of 127.0.0.0/8 is an endpoint that tells itself apart. */
async function startBackend(): Promise<Backend> {
  const server = http.createServer((request, response) => {
    const chunks: Buffer[] = []
    request.on('data', (chunk: Buffer) => chunks.push(chunk))
    request.on('end', () => {
      const headers: string[] = []
      for (let at = 0; at < request.rawHeaders.length; at += 2)
        headers.push(`${(request.rawHeaders[at] ?? '').toLowerCase()}: ${request.rawHeaders[at + 1] ?? ''}`)
      const seen: Seen = {
        at: request.socket.localAddress ?? '',
        method: request.method ?? '',
        target: request.url ?? '',
        version: request.httpVersion,
        headers: headers
          .filter((one) => !/^(?:connection|transfer-encoding|content-length|keep-alive):/.test(one))
          .sort(),
        body: Buffer.concat(chunks).toString('latin1'),
      }
      response.setHeader('X-From', 'backend')
      response.setHeader('Content-Type', 'application/json')
      response.end(JSON.stringify(seen))
    })
  })
  server.on('upgrade', (request, socket) => {
    socket.on('error', () => socket.destroy())
    socket.on('end', () => socket.end())
    socket.write(
      `HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: ${request.headers.upgrade ?? ''}\r\nX-Target: ${request.url ?? ''}\r\n\r\n`,
    )
    socket.on('data', (chunk: Buffer) => socket.write(`echo ${chunk.toString('latin1')}`))
  })
  return await openServer(server)
}

export interface Request {
  readonly method: string
  readonly target: string
  /** As they are sent, Host among them. */
  readonly headers: readonly (readonly [name: string, value: string])[]
  /** With a length, or in chunks. */
  readonly body?: { readonly text: string; readonly framing: 'length' | 'chunks' }
  readonly version?: '1.0' | '1.1'
  readonly tls?: tls.ConnectionOptions
}

/** `undefined` as status: closed without an answer. */
export interface Answer {
  readonly status: number | undefined
  readonly headers: ReadonlyMap<string, readonly string[]>
  readonly body: string
}

/** A connection of its own, read to its end. */
export async function ask(port: number, request: Request): Promise<Answer> {
  const { method, target, headers, body, version = '1.1' } = request
  const framing =
    body === undefined
      ? []
      : body.framing === 'length'
        ? [`Content-Length: ${Buffer.byteLength(body.text)}`]
        : ['Transfer-Encoding: chunked']
  const lines = [
    `${method} ${target} HTTP/${version}`,
    ...headers.map(([name, value]) => `${name}: ${value}`),
    ...framing,
    'Connection: close',
  ]
  const sent =
    body === undefined
      ? ''
      : body.framing === 'length'
        ? body.text
        : `${Buffer.byteLength(body.text).toString(16)}\r\n${body.text}\r\n0\r\n\r\n`.replace(/^0\r\n\r\n/, '')
  const raw = await exchange(port, Buffer.from(`${lines.join('\r\n')}\r\n\r\n${sent}`, 'latin1'), request.tls)
  return parseAnswer(raw, method)
}

function exchange(port: number, bytes: Buffer, secure: tls.ConnectionOptions | undefined): Promise<string> {
  return new Promise((done) => {
    const socket =
      secure === undefined
        ? net.connect(port, '127.0.0.1')
        : tls.connect({ port, host: '127.0.0.1', rejectUnauthorized: false, ...secure })
    let text = ''
    const finish = (): void => {
      socket.destroy()
      done(text)
    }
    socket.setTimeout(10_000, finish)
    socket.once(secure === undefined ? 'connect' : 'secureConnect', () => socket.write(bytes))
    socket.on('data', (chunk: Buffer) => (text += chunk.toString('latin1')))
    socket.on('end', finish)
    socket.on('error', finish)
    socket.on('close', finish)
  })
}

function parseAnswer(raw: string, method: string): Answer {
  const end = raw.indexOf('\r\n\r\n')
  const [first = '', ...fields] = (end === -1 ? raw : raw.slice(0, end)).split('\r\n')
  const status = /^HTTP\/1\.[01] (\d{3})/.exec(first)?.[1]
  const headers = new Map<string, string[]>()
  for (const field of fields) {
    const colon = field.indexOf(':')
    const name = field.slice(0, colon).toLowerCase()
    headers.set(name, [...(headers.get(name) ?? []), field.slice(colon + 1).trim()])
  }
  const rest = end === -1 ? '' : raw.slice(end + 4)
  const chunked = headers.get('transfer-encoding')?.join().toLowerCase() === 'chunked' && method !== 'HEAD'
  return {
    status: status === undefined ? undefined : Number(status),
    headers,
    body: chunked ? unchunked(rest) : rest,
  }
}

function unchunked(text: string): string {
  let body = ''
  for (let at = 0; ;) {
    const end = text.indexOf('\r\n', at)
    const length = Number.parseInt(text.slice(at, end), 16)
    if (end === -1 || !(length > 0)) return body
    body += text.slice(end + 2, end + 2 + length)
    at = end + 4 + length
  }
}

const byName = ([one]: readonly [string, unknown], [other]: readonly [string, unknown]): number =>
  one < other ? -1 : 1

/** What of an answer both targets must agree on; the pages of refusals are each target's own. */
export function comparable(answer: Answer): unknown {
  const { status, headers, body } = answer
  const backend = headers.has('x-from')
  // each has ports of its own; a last `?` is a declared difference
  const location = headers
    .get('location')
    ?.map((one) => one.replace(/^(https?:\/\/[^/:]+):\d+/, '$1').replace(/\?$/, ''))
  return {
    status,
    backend,
    location,
    cookies: headers.get('set-cookie'),
    own: [...headers].filter(([name]) => name.startsWith('x-own')).sort(byName),
    ...(backend && body !== '' ? { seen: seenOf(body) } : {}),
    ...(!backend && status === 200 ? { body } : {}),
  }
}

/** Declared: of two refusals (413 and another) nginx looks at the body first. */
export function agreed(request: Request, engine: Answer, nginx: Answer): unknown {
  const refused = request.body !== undefined && nginx.status === 413 && (engine.status ?? 0) >= 400
  return comparable(refused ? engine : nginx)
}

/** Which of several endpoints it was is chance: the first three numbers of the address say which backend. */
function seenOf(body: string): unknown {
  const seen = JSON.parse(body) as Seen
  return {
    ...seen,
    at: seen.at
      .replace(/^::ffff:/, '')
      .split('.')
      .slice(0, 3)
      .join('.'),
  }
}
