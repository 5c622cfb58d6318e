/** HTTP/2 clients, backends and routes for tests, on loopback. */
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import http2, {
  type ClientHttp2Session,
  type Http2SecureServer,
  type Http2Server,
  type IncomingHttpHeaders,
  type OutgoingHttpHeaders,
} from 'node:http2'
import type { AddressInfo, Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Backend, Certificate, Forward, Model, Route } from '../../../model/model.ts'
import { Secret } from '../../../model/secret.ts'

export const origin = { source: 'test' }

export interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly trailers: IncomingHttpHeaders | undefined
  readonly body: string
  /** Of RST_STREAM; 0: it ended well. */
  readonly code: number
}

/** One request on a session; a body goes out in one piece. */
export function ask(
  session: ClientHttp2Session,
  headers: OutgoingHttpHeaders,
  body?: string | Buffer,
  trailers?: OutgoingHttpHeaders,
): Promise<Answer> {
  return new Promise((resolve) => {
    const stream = session.request(headers, { endStream: body === undefined, waitForTrailers: trailers !== undefined })
    let answer: IncomingHttpHeaders = {}
    let last: IncomingHttpHeaders | undefined
    const pieces: Buffer[] = []
    stream.on('response', (given) => (answer = given))
    stream.on('trailers', (given) => (last = given))
    stream.on('data', (piece: Buffer) => pieces.push(piece))
    stream.on('wantTrailers', () => stream.sendTrailers(trailers ?? {}))
    stream.on('error', () => undefined)
    stream.on('close', () => {
      const text = Buffer.concat(pieces).toString()
      resolve({
        status: Number(answer[':status'] ?? 0),
        headers: answer,
        trailers: last,
        body: text,
        code: stream.rstCode ?? 0,
      })
    })
    if (body !== undefined) stream.end(body)
  })
}

export async function portOf(server: Server | Http2Server | Http2SecureServer): Promise<number> {
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  return (server.address() as AddressInfo).port
}

export function route(backend: string, more: Partial<Route> = {}, forward: Partial<Forward> = {}): Route {
  return {
    id: `route-${backend}`,
    listeners: [],
    match: {},
    policies: [],
    action: { kind: 'forward', forward: { backends: [{ target: { kind: 'backend', id: backend } }], ...forward } },
    origin,
    ...more,
  }
}

export function toBackend(
  id: string,
  port: number,
  backend: Partial<Backend> = {},
): Pick<Model, 'backends' | 'endpoints'> {
  return {
    backends: [{ id, protocol: 'http1', origin, ...backend }],
    endpoints: [{ backend: id, addresses: [{ host: '127.0.0.1', port }] }],
  }
}

/** A message of gRPC in its frame. */
export function message(text: string): Buffer {
  const bytes = Buffer.from(text)
  const frame = Buffer.alloc(5)
  frame.writeUInt32BE(bytes.length, 1)
  return Buffer.concat([frame, bytes])
}

export function connect(url: string, options: http2.SecureClientSessionOptions = {}): ClientHttp2Session {
  const session = http2.connect(url, { rejectUnauthorized: false, ...options })
  session.on('error', () => undefined)
  return session
}

export interface Made {
  readonly certificate: string
  readonly key: string
}

/** A certificate that signs itself; `names` as subjectAltName takes them: `DNS:a.example.com`, `URI:spiffe://a/b`. */
export function makeCertificate(names: readonly string[], signer?: Made): Made {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-certificate-'))
  const at = (name: string): string => join(folder, name)
  try {
    const key = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-keyout', at('key.pem')]
    const san = names.length === 0 ? [] : ['-addext', `subjectAltName=${names.join(',')}`]
    const by: string[] = []
    if (signer !== undefined) {
      // openssl reads them from files
      execFileSync('sh', ['-c', 'cat > "$0"', at('ca.pem')], { input: signer.certificate })
      execFileSync('sh', ['-c', 'cat > "$0"', at('ca.key')], { input: signer.key })
      by.push('-CA', at('ca.pem'), '-CAkey', at('ca.key'))
    }
    execFileSync(
      'openssl',
      ['req', '-x509', ...key, '-out', at('cert.pem'), '-days', '30', '-subj', '/CN=test', ...san, ...by],
      { stdio: ['ignore', 'ignore', 'pipe'] },
    )
    return { certificate: readFileSync(at('cert.pem'), 'utf8'), key: readFileSync(at('key.pem'), 'utf8') }
  } finally {
    rmSync(folder, { recursive: true })
  }
}

export function asCertificate(id: string, made: Made): Certificate {
  return { id, certificate: made.certificate, key: new Secret(made.key), origin }
}
