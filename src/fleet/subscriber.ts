/** A control plane's messages → a target that serves them. The data plane's side: it connects, applies, says so, and comes back. */
import { WebSocket } from 'ws'
import { applyDelta } from '../model/encode.ts'
import type { Model } from '../model/model.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import type { Target } from '../targets/target.ts'
import { protocolVersion, readDownward, writeMessage, type Downward } from './messages.ts'

export interface SubscriberOptions<Artifact> {
  /** wss://host:port */
  readonly url: string
  /** PEM of the control plane's certificate authority; absent: the machine's store. */
  readonly ca?: string
  readonly token: string
  readonly fleet: string
  readonly name: string
  readonly target: Target<Artifact>
  readonly events: Events
}

export interface Subscriber {
  /** The plan that is being served; undefined before the first. */
  plan(): Plan | undefined
  /** Resolves when the first plan is being served. */
  readonly first: Promise<void>
  stop(): void
}

const SILENCE = 30_000

export function subscribe<Artifact>(options: SubscriberOptions<Artifact>): Subscriber {
  const { events, target } = options
  let serving: Plan | undefined
  let socket: WebSocket | undefined
  let stopped = false
  let pause = 100
  let retry: NodeJS.Timeout | undefined
  let silence: NodeJS.Timeout | undefined
  let resolveFirst: () => void
  const first = new Promise<void>((resolve) => {
    resolveFirst = resolve
  })

  connect()
  return {
    plan: () => serving,
    first,
    stop: () => {
      stopped = true
      clearTimeout(retry)
      clearTimeout(silence)
      socket?.terminate()
    },
  }

  function connect(): void {
    const headers = { Authorization: `Bearer ${options.token}` }
    const security = options.ca === undefined ? {} : { ca: options.ca }
    const current = new WebSocket(options.url, { headers, ...security, maxPayload: 1 << 30, handshakeTimeout: 5000 })
    socket = current
    // each connection has a line of its own: what it said before it was lost does not mix with what the next one says
    let told: { readonly plan: string; readonly model: Model } | undefined
    let work: Promise<void> = Promise.resolve()
    const listen = (): void => {
      clearTimeout(silence)
      silence = setTimeout(() => current.terminate(), SILENCE)
    }
    current.on('open', () => {
      pause = 100
      listen()
      current.send(
        writeMessage({
          kind: 'hello',
          version: protocolVersion,
          fleet: options.fleet,
          name: options.name,
          plan: serving?.id,
        }),
      )
    })
    current.on('ping', listen)
    current.on('message', (data) => {
      listen()
      let message: Downward
      try {
        message = readDownward((data as Buffer).toString('utf8'))
        told = { plan: message.plan, model: modelOf(message, told) }
      } catch (error) {
        events.emit('error', 'fleet/bad-message', `the control plane said what cannot be understood: ${String(error)}`)
        current.terminate()
        return
      }
      const plan: Plan = { id: told.plan, model: told.model }
      work = work.then(() => serve(plan, current))
    })
    current.on('error', (error) =>
      events.emit('warn', 'fleet/connection', `the control plane at ${options.url}: ${error.message}`),
    )
    current.on('close', () => {
      clearTimeout(silence)
      if (stopped) return
      retry = setTimeout(connect, pause * (0.5 + Math.random()))
      pause = Math.min(pause * 2, 5000)
    })
  }

  /** What is served stays when the next cannot be. */
  async function serve(plan: Plan, current: WebSocket): Promise<void> {
    const say = (message: Parameters<typeof writeMessage>[0]): void => {
      if (current.readyState === WebSocket.OPEN) current.send(writeMessage(message))
    }
    try {
      const compilation = target.compile(plan)
      const applied = await target.apply(compilation.artifact)
      if (applied.kind === 'refused') return say({ kind: 'refused', plan: plan.id, diagnostics: applied.diagnostics })
      serving = plan
      resolveFirst()
      say({ kind: 'applied', plan: plan.id })
    } catch (error) {
      const message = `plan ${plan.id} cannot be served: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
      events.emit('error', 'fleet/internal', message)
      say({ kind: 'refused', plan: plan.id, diagnostics: [{ code: 'fleet/internal', severity: 'error', message }] })
    }
  }
}

function modelOf(message: Downward, told: { readonly plan: string; readonly model: Model } | undefined): Model {
  switch (message.kind) {
    case 'snapshot':
      return message.model
    case 'delta':
      if (told === undefined || told.plan !== message.from)
        throw new Error(`a change of plan ${message.from}, which is not the one here`)
      return applyDelta(told.model, message.delta)
  }
}
