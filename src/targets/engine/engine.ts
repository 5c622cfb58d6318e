/** Plan → an HTTP data plane that serves it. The target in TypeScript. */
import type { AddressInfo } from 'node:net'
import { performance } from 'node:perf_hooks'
import { atOnce, inTurns } from '../../lib/turns.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Condition, Limits, Model } from '../../model/model.ts'
import { emptyModel } from '../../model/model.ts'
import type { Plan } from '../../pipeline/plan.ts'
import type { CompileContext, CompiledCondition, AnyPolicy } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'
import type { Applied, Compilation, Target } from '../target.ts'
import { askBackend } from './ask.ts'
import { Compiler, type EngineArtifact, type ExchangeContext } from './compile.ts'
import { forwardedLines } from './connection.ts'
import type { EngineExchange } from './exchange.ts'
import { http2 } from './http2/protocols.ts'
import { OpenSocket, type OpenPort, type OtherProtocols, type PortPlan } from './listeners.ts'
import { mirrorTo } from './mirror.ts'
import { BackendPool } from './pool.ts'
import { Resolver } from './resolve.ts'
import { advance, respond } from './run.ts'
import { Counts } from './stats.ts'
import { OpenStreamSocket } from './streams/socket.ts'
import { OpenDatagramSocket } from './streams/datagrams.ts'
import { Wheel } from './wheel.ts'

export interface EngineOptions {
  /** By name; a plan that names another is served with 500 on that route. */
  readonly policies: readonly AnyPolicy[]
  readonly services: Services
  /** `compileCondition` of the policies. */
  readonly conditions: (condition: Condition, context: CompileContext) => CompiledCondition
  /** For listeners that say nothing. */
  readonly limits?: Limits
  /** After each exchange. Must be cheap, and must not keep the exchange. */
  readonly onDone?: (exchange: EngineExchange) => void
  /** Default: HTTP/2. */
  readonly otherProtocols?: OtherProtocols
}

export interface Engine extends Target<EngineArtifact> {
  readonly counts: Counts
  compileInTurns(plan: Plan): Promise<Compilation<EngineArtifact>>
  /** Where each listener really is, by its id: the port is the one that the system gave. */
  addresses(): ReadonlyMap<string, AddressInfo>
  /** Every endpoint and how it is: for the admin API. */
  endpoints(): readonly EndpointState[]
}

export interface EndpointState {
  readonly backend: string
  readonly address: string
  readonly healthy: boolean
  readonly ejected: boolean
  readonly draining: boolean
  readonly busy: number
  readonly idle: number
}

export function createEngine(options: EngineOptions): Engine {
  const wheel = new Wheel()
  const counts = new Counts()
  const pools = new Map<string, BackendPool>()
  const poolContext = { wheel, counts, resolver: new Resolver() }
  const pool = (id: string): BackendPool => {
    let known = pools.get(id)
    if (known === undefined) pools.set(id, (known = new BackendPool(id, poolContext)))
    return known
  }
  const services: Services = {
    ...options.services,
    mirror: (exchange, backend) => {
      ;((exchange as EngineExchange).mirrors ??= []).push(backend)
    },
    ask: (backend, request) => askBackend(pool(backend), request),
  }
  let model: Model = emptyModel
  const context: ExchangeContext = {
    services,
    wheel,
    counts,
    planOf: (forward, route) => compiler.planOf(forward, route, model),
    forwarded: forwardedLines,
    advance,
    respond,
    mirror: (exchange) => {
      if (exchange.mirrors !== undefined) for (const id of exchange.mirrors) mirrorTo(exchange, pool(id))
    },
    finished: (exchange) => {
      const { response } = exchange
      const own = exchange.program?.counts ?? exchange.listener.counts
      own.add(response.status, performance.now() - exchange.begun, exchange.sent)
      options.onDone?.(exchange)
    },
  }
  const compiler = new Compiler({
    policies: options.policies,
    conditions: options.conditions,
    limits: options.limits ?? {},
    context,
    pool,
  })
  let open = new Map<string, OpenPort>()
  let leaving = new Set<Promise<void>>()
  let stopped = false
  let applying: Promise<unknown> = Promise.resolve()

  /** Everything that changes for requests, in one turn of the event loop. */
  const swap = (artifact: EngineArtifact, next: Map<string, OpenPort>): void => {
    model = artifact.plan.model
    for (const [id, compiled] of artifact.backends)
      pool(id).configure(compiled.backend, compiled.endpoints, compiled.security)
    for (const [id, known] of pools) {
      if (artifact.backends.has(id)) continue
      known.stop()
      known.configure(undefined, undefined, undefined)
    }
    for (const portPlan of artifact.sockets) next.get(portPlan.key)!.use(portPlan)
    open = next
  }

  const openPort = (portPlan: PortPlan): OpenPort => {
    const others = options.otherProtocols ?? http2
    switch (portPlan.kind) {
      case 'http':
        return new OpenSocket(portPlan, context, others)
      case 'stream':
        return new OpenStreamSocket(portPlan, context, others)
      case 'datagram':
        return new OpenDatagramSocket(portPlan, context)
    }
  }

  const replace = async (artifact: EngineArtifact): Promise<Applied> => {
    const wanted = new Map(artifact.sockets.map((socketPlan) => [socketPlan.key, socketPlan]))
    const staying = new Map<string, OpenPort>()
    const going: OpenPort[] = []
    for (const [key, socket] of open) {
      const next = wanted.get(key)
      if (next !== undefined && socket.fits(next)) staying.set(key, socket)
      else going.push(socket)
    }
    const coming = artifact.sockets.filter((socketPlan) => !staying.has(socketPlan.key))
    // an address may become narrower or wider, or change its protocol: its port has to be free first
    const inTheWay = going.filter((socket) => coming.some((next) => next.port !== 0 && next.port === socket.plan.port))
    await Promise.all(inTheWay.map((socket) => socket.unlisten()))

    const opened: OpenPort[] = []
    const diagnostics: Diagnostic[] = []
    const consequence = open.size > 0 ? 'the last plan serves on' : 'nothing is served'
    for (const socketPlan of coming) {
      const socket = openPort(socketPlan)
      try {
        await socket.listen()
        opened.push(socket)
      } catch (error) {
        diagnostics.push(cannotListen(socketPlan, error, consequence))
      }
    }
    if (diagnostics.length > 0) {
      await Promise.all(opened.map((socket) => socket.drain(0)))
      for (const socket of inTheWay) {
        const again = openPort(socket.plan)
        try {
          await again.listen()
          open.set(socket.plan.key, again)
          void socket.drain(DRAIN)
        } catch (error) {
          diagnostics.push(cannotListen(socket.plan, error, consequence))
        }
      }
      return { kind: 'refused', diagnostics }
    }
    const next = new Map(staying)
    for (const socket of opened) next.set(socket.plan.key, socket)
    swap(artifact, next)
    for (const socket of going) {
      const end = socket.drain(DRAIN)
      leaving.add(end)
      void end.finally(() => leaving.delete(end))
    }
    return { kind: 'applied', diagnostics: [] }
  }

  return {
    name: 'engine',
    counts,
    compile: (plan) => atOnce(compiler.compile(plan)),
    compileInTurns: (plan) => inTurns(compiler.compile(plan)),

    async apply(artifact) {
      if (stopped) return { kind: 'refused', diagnostics: [afterStop(artifact.plan)] }
      const applied = replace(artifact)
      applying = applied
      return applied
    },

    async stop(graceMs) {
      stopped = true
      // ports that are being opened are ours to close; how it ends is told to whoever asked for it
      await Promise.allSettled([applying])
      await Promise.all([...[...open.values()].map((socket) => socket.drain(graceMs)), ...(graceMs > 0 ? leaving : [])])
      open = new Map()
      leaving = new Set()
      for (const known of pools.values()) known.stop()
      wheel.stop()
    },

    addresses() {
      const result = new Map<string, AddressInfo>()
      for (const socket of open.values()) {
        const { address } = socket
        if (address === undefined) continue
        for (const { listener } of socket.plan.listeners) result.set(listener.id, address)
      }
      return result
    },

    endpoints() {
      return [...pools.values()].flatMap((known) =>
        known.endpoints.map((endpoint) => ({
          backend: known.id,
          address: endpoint.address,
          healthy: endpoint.healthy,
          ejected: endpoint.ejected,
          draining: endpoint.endpoint.draining === true,
          busy: endpoint.busy,
          idle: endpoint.idle.length,
        })),
      )
    },
  }
}

/** How long a connection of a port that is gone from the plan may finish, milliseconds. */
const DRAIN = 30_000

function afterStop(plan: Plan): Diagnostic {
  return {
    code: 'engine/stopped',
    severity: 'error',
    message: `plan ${plan.id} came after the engine was stopped; nothing is served`,
  }
}

function cannotListen(socketPlan: PortPlan, error: unknown, consequence: string): Diagnostic {
  const { listener } = socketPlan.listeners[0]!
  const code = (error as NodeJS.ErrnoException).code ?? ''
  const where = `${socketPlan.address ?? '*'}:${socketPlan.port}`
  const why =
    code === 'EADDRINUSE'
      ? 'something else listens there'
      : code === 'EACCES'
        ? 'this user may not open it'
        : error instanceof Error
          ? error.message
          : String(error)
  return {
    code: 'engine/cannot-listen',
    severity: 'error',
    message: `listener ${listener.id} cannot open ${where}: ${why}; ${consequence}`,
    hint: code === 'EACCES' ? 'a port above 1023, or the right to bind low ones' : 'another port, or stop what uses it',
    origin: listener.origin,
  }
}
