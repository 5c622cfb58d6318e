/** Recorded requests → the same ones through real nginx and through the engine, against Pods that say what they saw. */
import { mkdtempSync } from 'node:fs'
import { tmpdir } from 'node:os'
import net from 'node:net'
import { join } from 'node:path'
import tls from 'node:tls'
import { prepare } from '../src/pipeline/run.ts'
import { compileCondition } from '../src/policies/conditions.ts'
import { policies } from '../src/policies/list.ts'
import { readEnvironment } from '../src/sources/pods/environment.ts'
import { readTextFile, readTexts } from '../src/sources/pods/read-files.ts'
import { createTranslate } from '../src/sources/pods/translate.ts'
import { createEngine } from '../src/targets/engine/engine.ts'
import { createTestServices } from '../src/targets/engine/testing.ts'
import { createNginx } from '../src/targets/nginx/nginx.ts'
import type { Target } from '../src/targets/target.ts'
import type { Pair, Replayed } from './vectors-dispatcher.ts'
import { freePort } from '../test/servers/port.ts'

export interface RecordedRequest {
  readonly path: string
  readonly method?: string
  readonly host?: string | null
  readonly tls?: string
  readonly clientCert?: string
  readonly connection?: string
  readonly version?: string
  readonly headers?: string
  readonly plain_on_tls?: boolean
  readonly expect: {
    readonly status?: number
    readonly closed?: boolean
    readonly location?: string
    readonly upstream?: {
      readonly ip: string
      readonly path: string
      readonly version: string
      readonly headers: readonly (readonly [string, string])[]
    }
  }
}

interface Replay {
  readonly name: string
  readonly requests: readonly RecordedRequest[]
  readonly text: string
  readonly environment: Record<string, string>
  readonly pairs: ReadonlyMap<string, Pair>
  readonly room: string
}

/** One result for each request and target. */
export async function* replayRequests({
  name,
  requests,
  text,
  environment,
  pairs,
  room,
}: Replay): AsyncGenerator<Replayed> {
  const [port, tlsPort, podPort] = [await freePort(), await freePort(), await freePort()]
  const [oldPort, oldTlsPort] = [environment['PORT'] ?? '80', environment['SSL_PORT'] ?? '443']
  const moved = (given: string): string =>
    given.replaceAll(oldPort, String(port)).replaceAll(oldTlsPort, String(tlsPort)).replaceAll('18500', String(podPort))
  const seen: Seen[] = []
  const addresses = [...new Set([...text.matchAll(/podIP: (127\.[0-9.]+)/g)].map(([, address]) => address ?? ''))]
  const fallback = /^https?:\/\/(127\.[0-9.]+):18500/.exec(environment['DEFAULT_LOCATION_RETURN'] ?? '')?.[1]
  if (fallback !== undefined && !addresses.includes(fallback)) addresses.push(fallback)
  const pods = await Promise.all(addresses.map((address) => startPod(address, podPort, seen)))
  const variables = { ...environment, PORT: String(port), SSL_PORT: String(tlsPort) }
  if (variables['DEFAULT_LOCATION_RETURN' as 'PORT'] !== undefined)
    variables['DEFAULT_LOCATION_RETURN' as 'PORT'] = moved(variables['DEFAULT_LOCATION_RETURN' as 'PORT'] ?? '')
  try {
    for (const kind of ['engine', 'nginx'] as const) {
      const services = createTestServices()
      const engine = createEngine({ policies, services, conditions: compileCondition })
      const target: Target<unknown> =
        kind === 'engine'
          ? (engine as Target<unknown>)
          : (createNginx({
              policies,
              services,
              engine: engine as Target<unknown>,
              folder: mkdtempSync(join(tmpdir(), 'vectors-run-')),
              certificateFolder: join(room, `${name}-ssl`),
              workers: 1,
            }) as Target<unknown>)
      const translation = createTranslate()(
        readTexts([['input.yaml', moved(text)]], readEnvironment(variables, readTextFile)),
      )
      const applied = await target.apply(target.compile(prepare([translation]).plan).artifact)
      try {
        if (applied.kind === 'refused') {
          yield { name: `${name} ${kind}`, failures: applied.diagnostics.map((one) => one.message) }
          continue
        }
        for (const [index, request] of requests.entries()) {
          seen.length = 0
          const answer = await ask(
            { ...request, path: moved(request.path) },
            request.tls !== undefined || request.plain_on_tls === true ? tlsPort : port,
            pairs,
            moved,
          )
          yield {
            name: `${name} ${kind} [${index}] ${request.host ?? ''}${request.path}`,
            failures: judge(request, answer, seen, kind, moved, environment),
          }
        }
      } finally {
        await target.stop(0)
      }
    }
  } finally {
    await Promise.all(pods.map((pod) => new Promise((done) => pod.close(done))))
  }
}

interface Seen {
  readonly ip: string
  readonly path: string
  readonly version: string
  readonly headers: readonly (readonly [string, string])[]
}

interface Answer {
  readonly status: number | undefined
  readonly location: string | undefined
  readonly failed: string | undefined
}

/** What was recorded, unless the specification calls it a defect, or the target's README declares it another way. */
function judge(
  request: RecordedRequest,
  answer: Answer,
  seen: readonly Seen[],
  kind: 'engine' | 'nginx',
  moved: (text: string) => string,
  environment: Record<string, string>,
): readonly string[] {
  const { expect } = request
  const [got] = seen
  const failures: string[] = []
  const path = request.path.split('?')[0] ?? ''
  // the engine reads a path in one way or not at all, also where it stands behind nginx
  if (/\/\.{1,2}(?:\/|$)/.test(path) && (kind === 'engine' || answer.status === 400))
    return answer.status === 400 ? [] : [`dot segments are answered with ${answer.status}`]
  // a percent sign in a basePath means what it means
  if (path.startsWith('/sp%20ace'))
    return answer.status === 200 && got?.path === request.path ? [] : [`a path with a percent sign: ${answer.status}`]
  // a variable in a targetPath is text
  if (/^\/v(?:\/|$)/.test(path))
    return answer.status === 200 && got?.path === `/$http_host/x${request.path.slice(2)}`
      ? []
      : [`a targetPath with a variable: ${answer.status} ${got?.path}`]
  // TLS that is none ends before there is anybody to answer
  if (kind === 'engine' && request.plain_on_tls === true)
    return answer.status === undefined ? [] : [`plain HTTP on the TLS port: ${answer.status}`]
  if (expect.closed === true) {
    return answer.status === undefined ? [] : [`answered with ${answer.status}, recorded closed`]
  }
  if (answer.status !== expect.status)
    failures.push(`status ${answer.status ?? answer.failed}, recorded ${expect.status}`)
  if (expect.location !== undefined && answer.location !== moved(expect.location))
    failures.push(`Location ${answer.location}, recorded ${moved(expect.location)}`)
  if (expect.upstream === undefined) {
    if (got !== undefined) failures.push(`the Pod ${got.ip} saw ${got.path}`)
    return failures
  }
  if (got === undefined) return [...failures, 'no Pod saw it']
  if (got.ip !== expect.upstream.ip) failures.push(`Pod ${got.ip}, recorded ${expect.upstream.ip}`)
  if (got.path !== moved(expect.upstream.path))
    failures.push(`the Pod saw ${got.path}, recorded ${expect.upstream.path}`)
  if (got.version !== expect.upstream.version) failures.push(`the Pod saw ${got.version}`)
  const own = (headers: readonly (readonly [string, string])[]): string =>
    JSON.stringify(
      headers
        .filter(
          ([one]) =>
            ![
              'connection',
              'upgrade',
              'accept',
              'content-length',
              (environment['API_KEY_HEADER'] ?? 'x-routing-api-key').toLowerCase(),
            ].includes(one.toLowerCase()),
        )
        .map(([one, value]) => `${one.toLowerCase()}: ${value}`)
        .sort((left, right) => (left < right ? -1 : 1)),
    )
  const wanted = expect.upstream.headers.map(([one, value]) => [one, moved(value)] as const)
  if (own(got.headers) !== own(wanted)) failures.push(`the Pod saw ${own(got.headers)}, recorded ${own(wanted)}`)
  const has = (one: string): string | undefined => got.headers.find(([header]) => header.toLowerCase() === one)?.[1]
  // the key is between caller and gateway
  if (has((environment['API_KEY_HEADER'] ?? 'X-ROUTING-API-KEY').toLowerCase()) !== undefined)
    failures.push('the Pod saw the key')
  // an upgrade passes
  if (
    request.connection === 'Upgrade' &&
    (has('upgrade') !== 'websocket' || has('connection')?.toLowerCase() !== 'upgrade')
  )
    failures.push('the Pod did not see the upgrade')
  return failures
}

/** One connection, one request; what is answered is read to its end. */
async function ask(
  request: RecordedRequest,
  port: number,
  pairs: ReadonlyMap<string, Pair>,
  moved: (text: string) => string,
): Promise<Answer> {
  const { method = 'GET', version = '1.1', headers = '', connection = 'close', host = 'api.ex.net' } = request
  const lines = [
    `${method} ${request.path} HTTP/${version}`,
    ...(host === null ? [] : [`Host: ${moved(host)}`]),
    `Connection: ${connection}`,
  ]
  const head = `${lines.join('\r\n')}\r\n${headers}\r\n`
  const pair = request.clientCert === undefined ? undefined : pairs.get(request.clientCert)
  return await new Promise((done) => {
    const socket =
      request.tls === undefined
        ? net.connect(port, '127.0.0.1')
        : tls.connect({
            port,
            host: '127.0.0.1',
            servername: request.tls,
            rejectUnauthorized: false,
            ...(pair === undefined ? {} : { cert: pair.certificate, key: pair.key }),
          })
    let text = ''
    const finish = (failed?: string): void => {
      socket.destroy()
      const status = /^HTTP\/1\.[01] (\d{3})/.exec(text)?.[1]
      done({
        status: status === undefined ? undefined : Number(status),
        location: /^location: (.*?)\r$/im.exec(text)?.[1],
        failed,
      })
    }
    socket.setTimeout(5000, () => finish('timeout'))
    socket.setEncoding('latin1')
    socket.once(request.tls === undefined ? 'connect' : 'secureConnect', () => socket.write(head, 'latin1'))
    socket.on('data', (chunk: string) => {
      text += chunk
      if (connection !== 'close' && /\r\n\r\n/.test(text)) finish()
    })
    socket.on('end', () => finish())
    socket.on('error', (error) => finish(error.message))
    socket.on('close', () => finish())
  })
}

function startPod(address: string, port: number, seen: Seen[]): Promise<net.Server> {
  const server = net.createServer((socket) => {
    let text = ''
    socket.setEncoding('latin1')
    socket.on('error', () => socket.destroy())
    socket.on('data', (chunk: string) => {
      text += chunk
      const end = text.indexOf('\r\n\r\n')
      if (end < 0) return
      const [first = '', ...fields] = text.slice(0, end).split('\r\n')
      text = text.slice(end + 4)
      const [, path = '', version = ''] = first.split(' ')
      seen.push({
        ip: address,
        path,
        version,
        headers: fields.map((field) => [
          field.slice(0, field.indexOf(':')),
          field.slice(field.indexOf(':') + 1).trim(),
        ]),
      })
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok')
    })
  })
  return new Promise((done, fail) => {
    server.once('error', fail)
    server.listen(port, address, () => done(server))
  })
}
