/** A control plane's messages → a target that serves them. The data plane's side: it connects, applies, says so, and comes back. */
import { WebSocket } from 'ws'
import { applyDelta } from '../model/encode.ts'
import { createDeferred } from '../lib/deferred.ts'
import { inTurns } from '../lib/turns.ts'
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
  /** Resolves when what was under way has ended: nothing is given to the target any more. */
  stop(): Promise<void>
}

const SILENCE = 30_000
const FIRST_PAUSE = 100
/** Short: a control plane that was restarted waits for us before it tells anybody that something is served. */
const LONGEST_PAUSE = 2000

export function subscribe<Artifact>(options: SubscriberOptions<Artifact>): Subscriber {
  const { events, target } = options
  let serving: Plan | undefined
  let socket: WebSocket | undefined
  let stopped = false
  let pause = FIRST_PAUSE
  let retry: NodeJS.Timeout | undefined
  let silence: NodeJS.Timeout | undefined
  /** Messages are read one after the other, in pieces, and served one after the other. */
  let reading: Promise<void> = Promise.resolve()
  let work: Promise<void> = Promise.resolve()
  const first = createDeferred()

  connect()
  return {
    plan: () => serving,
    first: first.promise,
    stop: async () => {
      stopped = true
      clearTimeout(retry)
      clearTimeout(silence)
      socket?.terminate()
      // what is read may be work still
      await reading
      await work
    },
  }

  function connect(): void {
    const headers = { Authorization: `Bearer ${options.token}` }
    const security = options.ca === undefined ? {} : { ca: options.ca }
    const current = new WebSocket(options.url, { headers, ...security, maxPayload: 1 << 30, handshakeTimeout: 5000 })
    socket = current
    // a connection begins with what is served by then: whoever is at the other end may know it and send only what differs
    let told: Plan | undefined
    const listen = (): void => {
      clearTimeout(silence)
      silence = setTimeout(() => current.terminate(), SILENCE)
    }
    current.on('open', () => {
      pause = FIRST_PAUSE
      listen()
      // what an earlier connection said last is being read or applied still
      reading = reading
        .then(() => work)
        .then(() => {
          told = serving
          const { fleet, name } = options
          say(current, { kind: 'hello', version: protocolVersion, fleet, name, plan: serving?.id })
        })
    })
    current.on('ping', listen)
    current.on('message', (data) => {
      listen()
      reading = reading.then(() => read(data as Buffer))
    })
    let broken = false
    const read = async (bytes: Buffer): Promise<void> => {
      // what follows a message that was not understood may build on it
      if (broken || stopped) return
      try {
        const message = await inTurns(readDownward(bytes))
        told = { id: message.plan, model: modelOf(message, told) }
      } catch (error) {
        broken = true
        events.emit('error', 'fleet/bad-message', `the control plane said what cannot be understood: ${String(error)}`)
        current.terminate()
        return
      }
      const plan = told
      // one that was overtaken while it waited is not served for the moment that it would last
      work = work.then(() => (plan === told && !stopped ? serve(plan, current) : undefined))
    }
    current.on('error', (error) =>
      events.emit('warn', 'fleet/connection', `the control plane at ${options.url}: ${error.message}`),
    )
    current.on('close', () => {
      clearTimeout(silence)
      if (stopped) return
      retry = setTimeout(connect, pause * (0.5 + Math.random()))
      pause = Math.min(pause * 2, LONGEST_PAUSE)
    })
  }

  /** What is served stays when the next cannot be. */
  async function serve(plan: Plan, current: WebSocket): Promise<void> {
    try {
      const compilation = (await target.compileInTurns?.(plan)) ?? target.compile(plan)
      if (stopped) return
      const applied = await target.apply(compilation.artifact)
      if (applied.kind === 'refused')
        return say(current, { kind: 'refused', plan: plan.id, diagnostics: applied.diagnostics })
      serving = plan
      first.resolve()
      say(current, { kind: 'applied', plan: plan.id })
    } catch (error) {
      const message = `plan ${plan.id} cannot be served: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`
      events.emit('error', 'fleet/internal', message)
      say(current, {
        kind: 'refused',
        plan: plan.id,
        diagnostics: [{ code: 'fleet/internal', severity: 'error', message }],
      })
    }
  }
}

function say(socket: WebSocket, message: Parameters<typeof writeMessage>[0]): void {
  if (socket.readyState === WebSocket.OPEN) socket.send(writeMessage(message))
}

function modelOf(message: Downward, told: Plan | undefined): Model {
  switch (message.kind) {
    case 'snapshot':
      return message.model
    case 'delta':
      if (told === undefined || told.id !== message.from)
        throw new Error(`a change of plan ${message.from}, which is not the one here`)
      return applyDelta(told.model, message.delta)
  }
}
