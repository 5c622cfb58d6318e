/**
 * Program: JSON of `Crowd` → JSON of `CrowdResult`, when its standard input ends. Clients that cost and ask for little: idle
 * ones over TLS, and slow ones. Prints `standing` when they are all there. One that was sent away comes back.
 */
import { connect, type Socket } from 'node:net'
import { setTimeout as sleep } from 'node:timers/promises'
import tls from 'node:tls'

const groups = ['idle', 'heads', 'bodies', 'drips', 'reads'] as const
export type Group = (typeof groups)[number]

export interface Crowd {
  readonly http: number
  readonly https: number
  /**
   * How many of each: over TLS, with one request answered and then silent; whose head comes a byte a second; whose body stops;
   * whose body comes a byte a second; that do not read eight answers of 1 MiB, more than the system keeps for them.
   */
  readonly many: Readonly<Record<Group, number>>
}

export interface CrowdResult {
  /** What became of connections while the crowd stood: a status, `closed`, or an error, with the shortest and longest time; `cut` has none. */
  readonly ended: Readonly<Record<Group, Readonly<Record<string, Ended>>>>
  /** Held at the end. */
  readonly held: Readonly<Record<Group, number>>
}

export interface Ended {
  count: number
  shortestMs: number
  longestMs: number
}

const crowd = JSON.parse(process.argv[2] ?? '') as Crowd
/** So many are being opened at once: none waits in the backlog for long. */
const WIDTH = 100
/** Milliseconds in which who reads again has read all that there is. */
const SIGHT = 15_000
const waiting: Group[] = groups.flatMap((group) => Array.from({ length: crowd.many[group] }, () => group))
const total = waiting.length
const held: Record<Group, Set<Socket>> = {
  idle: new Set(),
  heads: new Set(),
  bodies: new Set(),
  drips: new Set(),
  reads: new Set(),
}
const ended: Record<Group, Record<string, Ended>> = { idle: {}, heads: {}, bodies: {}, drips: {}, reads: {} }
const first: Readonly<Record<Group, string>> = {
  idle: 'GET /plain HTTP/1.1\r\nHost: bench\r\n\r\n',
  heads: 'GET /plain HTTP/1.1\r\nHost: bench\r\nX-Long: ',
  bodies: 'POST /upload HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000\r\n\r\nbegun',
  drips: 'POST /upload HTTP/1.1\r\nHost: bench\r\nContent-Length: 100000\r\n\r\nbegun',
  reads: 'GET /big HTTP/1.1\r\nHost: bench\r\n\r\n'.repeat(8),
}
let opening = 0
let standing = false
let over = false

more()
setInterval(() => {
  for (const group of ['heads', 'drips'] as const) for (const socket of held[group]) socket.write('x')
}, 1000)
process.stdin.once('end', () => void finish()).resume()

function more(): void {
  while (opening < WIDTH && waiting.length > 0) open(waiting.shift()!)
  if (standing || opening > 0) return
  standing = true
  process.stdout.write(`standing ${total}\n`)
}

function open(group: Group): void {
  opening++
  let begun = 0
  let answer = ''
  let error: string | undefined
  const host = '127.0.0.1'
  const secure = group === 'idle'
  const socket = secure
    ? tls.connect({ host, port: crowd.https, rejectUnauthorized: false, ALPNProtocols: ['http/1.1'] })
    : connect({ host, port: crowd.http, noDelay: true })
  const stands = (): void => {
    if (begun !== 0) return
    begun = performance.now()
    opening--
    held[group].add(socket)
    more()
  }
  socket.once(secure ? 'secureConnect' : 'connect', () => {
    socket.write(first[group])
    if (!secure) stands()
  })
  // who does not listen to 'data' does not read
  if (group !== 'reads') {
    socket.on('data', (chunk: Buffer) => {
      answer ||= chunk.toString('latin1', 0, 12)
      if (secure) stands()
    })
  }
  socket.on('error', (problem: NodeJS.ErrnoException) => {
    error = problem.code ?? problem.message
  })
  socket.once('close', () => {
    if (over) return
    if (begun === 0) opening--
    held[group].delete(socket)
    note(group, !secure && answer !== '' ? answer.slice(9) : (error ?? 'closed'), begun)
    waiting.push(group)
    more()
  })
}

function note(group: Group, what: string, begun: number): void {
  const ms = begun === 0 ? 0 : performance.now() - begun
  const known = (ended[group][what] ??= { count: 0, shortestMs: ms, longestMs: ms })
  known.count++
  known.shortestMs = Math.min(known.shortestMs, ms)
  known.longestMs = Math.max(known.longestMs, ms)
}

/** Who does not read does not see that it was sent away: at the end they all read, and it is the end for those. */
async function finish(): Promise<void> {
  over = true
  const left = [...held.reads].map(
    (socket) =>
      new Promise<void>((resolve) => {
        const cut = (): void => {
          if (held.reads.delete(socket)) note('reads', 'cut', 0)
          resolve()
        }
        socket.once('end', cut).once('close', cut).resume()
      }),
  )
  await Promise.race([Promise.all(left), sleep(SIGHT)])
  const result: CrowdResult = {
    ended,
    held: {
      idle: held.idle.size,
      heads: held.heads.size,
      bodies: held.bodies.size,
      drips: held.drips.size,
      reads: held.reads.size,
    },
  }
  process.stdout.write(JSON.stringify(result), () => process.exit(0))
}
