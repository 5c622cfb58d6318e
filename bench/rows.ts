/** The rows that are measured by CPU per request: which request, which load, and how near to nginx it shall be. */
import { apiKey, type Materials } from './materials.ts'

export interface LoadRow {
  readonly name: string
  readonly summary: string
  readonly path: string
  readonly headers?: (materials: Materials) => Readonly<Record<string, string>>
  /** For wrk, in Lua. */
  readonly script?: string
  readonly secure?: true
  readonly websocket?: true
  /** Default 64. */
  readonly connections?: number
  /** Streams at once on each connection: HTTP/2. */
  readonly streams?: number
  /** nginx cannot do it: its figure is that of this row, measured again beside it. */
  readonly beside?: string
  /** At most so many times nginx's CPU per request; undefined: it is only watched. */
  readonly aim?: number
}

const key = (): Readonly<Record<string, string>> => ({ 'x-api-key': apiKey })

export const loadRows: readonly LoadRow[] = [
  { name: 'plain', summary: 'forward, nothing else', path: '/plain', aim: 1.25 },
  { name: 'key', summary: 'an API key of a consumer', path: '/key', headers: key, aim: 1.5 },
  { name: 'rate', summary: 'an exact fixed-window limit', path: '/rate', aim: 1.5 },
  { name: 'keylimit', summary: 'API key and exact limit', path: '/keylimit', headers: key, aim: 1.5 },
  {
    name: 'hs256',
    summary: 'a JWT seen before, HS256',
    path: '/hs256',
    headers: bearer('hs256Token'),
    beside: 'plain',
    aim: 1.5,
  },
  {
    name: 'rs256',
    summary: 'a JWT seen before, RS256',
    path: '/rs256',
    headers: bearer('rs256Token'),
    beside: 'plain',
    aim: 1.5,
  },
  { name: 'all', summary: 'CORS, API key and limit', path: '/all', headers: key, aim: 1.5 },
  {
    name: 'close',
    summary: 'a connection for each request',
    path: '/plain',
    script: 'wrk.headers["Connection"] = "close"',
    aim: 1.5,
  },
  { name: 'tls', summary: 'ECDSA P-256, kept alive', path: '/plain', secure: true, aim: 1.5 },
  {
    name: 'h2',
    summary: 'HTTP/2 from the client, 16 connections of 8 streams',
    path: '/plain',
    secure: true,
    connections: 16,
    streams: 8,
    aim: 1.5,
  },
  { name: 'h2c', summary: 'HTTP/1.1 from the client, HTTP/2 to the backend', path: '/plain' },
  {
    name: 'h2both',
    summary: 'HTTP/2 on both sides, in clear, 16 connections of 8 streams',
    path: '/plain',
    connections: 16,
    streams: 8,
  },
  { name: 'websocket', summary: 'a message there and back, 64 bytes', path: '/ws', websocket: true, aim: 1.5 },
  { name: 'download', summary: '1 MiB from the backend', path: '/big', connections: 16, aim: 1.25 },
  {
    name: 'upload',
    summary: '1 MiB to the backend',
    path: '/upload',
    connections: 16,
    script: 'wrk.method = "POST"\nwrk.body = string.rep("x", 1048576)',
    aim: 1.25,
  },
]

function bearer(name: 'hs256Token' | 'rs256Token'): (materials: Materials) => Readonly<Record<string, string>> {
  return (materials) => ({ authorization: `Bearer ${materials[name]}` })
}
