/**
 * Models by fleet → the data planes that are connected. The control plane's side: WebSocket over TLS, a bearer token for
 * each data plane; it remembers who serves what, and says when all of a fleet do.
 */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { difference } from '../model/encode.ts'
import type { Model } from '../model/model.ts'
import { planOf, type Plan } from '../pipeline/plan.ts'
import type { Events } from '../policies/services.ts'
import { protocolVersion, readUpward, writeMessage } from './messages.ts'

export interface PublisherOptions {
  readonly address: string
  readonly port: number
  /** PEM. */
  readonly certificate: string
  readonly key: string
  /** Who may connect: the fleet that this token is for; undefined: nobody. */
  fleetOf(token: string): string | undefined
  /** Are data planes served here? Whoever comes meanwhile is sent away, to ask again soon. Default: always. */
  welcome?(): boolean
  /** How many data planes of a fleet are known to serve; those that are not connected are waited for. Default: none. */
  expected?(fleet: string): number
  readonly events: Events
  /** How long `publish` waits for those who are behind, milliseconds. Who let it wait so long is not waited for again before it caught up. Default 5000. */
  readonly patience?: number
}

export interface DataPlane {
  readonly fleet: string
  readonly name: string
  /** The plan that it serves. */
  readonly plan: string | undefined
  readonly connectedAt: number
}

export interface Publisher {
  readonly port: number
  /** Sends what has changed, and resolves as `served` does. */
  publish(models: ReadonlyMap<string, Model>): Promise<void>
  /** Resolves when every data plane, connected or expected, serves what was published, or patience ends; at once where nobody is welcome. */
  served(): Promise<void>
  dataPlanes(): readonly DataPlane[]
  /** Sends everybody away, to whoever is there in our place. */
  dismiss(): void
  close(): Promise<void>
}

interface Peer {
  readonly socket: WebSocket
  readonly fleet: string
  name: string
  readonly connectedAt: number
  sent: Published | undefined
  applied: string | undefined
  /** The plan that it could not serve; it serves the one before. */
  refused: string | undefined
  alive: boolean
  /** It let a `publish` wait in vain. */
  slow: boolean
}

/** What a fleet should serve. The plan's id says what is in it, so that two of us, and one of us before and after a restart, give the same id to the same. */
interface Published extends Plan {
  /** Messages that lead here, by the plan that they start from. */
  readonly messages: Map<string, string>
}

const HEARTBEAT = 10_000
const MOST_WAITING = 64 * 1024 * 1024

export async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  const { events } = options
  const welcome = options.welcome ?? ((): boolean => true)
  const expected = options.expected ?? ((): number => 0)
  const server: Server = createServer({ cert: options.certificate, key: options.key, minVersion: 'TLSv1.2' })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 })
  const peers = new Set<Peer>()
  const current = new Map<string, Published>()
  /** How many of a fleet were expected in vain. */
  const givenUp = new Map<string, number>()
  const waiters = new Set<() => void>()
  const wake = (): void => {
    for (const waiter of waiters) waiter()
  }

  server.on('upgrade', (request, socket, head) => {
    const refuse = (status: string): void => {
      socket.on('error', () => socket.destroy())
      socket.end(`HTTP/1.1 ${status}\r\nConnection: close\r\nContent-Length: 0\r\n\r\n`)
    }
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const fleet = token === undefined ? undefined : options.fleetOf(token)
    if (fleet === undefined) return refuse('401 Unauthorized')
    if (!welcome()) return refuse('503 Service Unavailable')
    sockets.handleUpgrade(request, socket, head, (webSocket) => greet(webSocket, fleet))
  })

  function greet(socket: WebSocket, fleet: string): void {
    const peer: Peer = {
      socket,
      fleet,
      name: '?',
      connectedAt: Date.now(),
      sent: undefined,
      applied: undefined,
      refused: undefined,
      alive: true,
      slow: false,
    }
    socket.on('pong', () => (peer.alive = true))
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      if (!peers.delete(peer)) return
      events.emit('info', 'fleet/left', `data plane ${peer.name} of ${fleet} has left`)
      wake()
    })
    socket.on('message', (data) => {
      try {
        hear(peer, readUpward((data as Buffer).toString('utf8')))
      } catch (error) {
        events.emit('warn', 'fleet/bad-message', `data plane ${peer.name} of ${fleet}: ${String(error)}`)
        socket.close(1008, 'not a message of a data plane')
      }
    })
  }

  function hear(peer: Peer, message: ReturnType<typeof readUpward>): void {
    switch (message.kind) {
      case 'hello':
        if (message.version !== protocolVersion || message.fleet !== peer.fleet) {
          peer.socket.close(1008, `protocol ${protocolVersion} of fleet ${peer.fleet} is spoken here`)
          return
        }
        peer.name = message.name
        peers.add(peer)
        events.emit('info', 'fleet/joined', `data plane ${peer.name} of ${peer.fleet} has joined`)
        resume(peer, message.plan)
        send(peer)
        forgive(peer.fleet)
        return wake()
      case 'applied':
        peer.applied = message.plan
        if (peer.applied === peer.sent?.id) peer.slow = false
        return wake()
      case 'refused':
        peer.refused = message.plan
        events.emit('error', 'fleet/refused', `data plane ${peer.name} of ${peer.fleet} refused plan ${message.plan}`, {
          diagnostics: message.diagnostics,
        })
        return wake()
    }
  }

  /** Who serves already what it should is told nothing. */
  function resume(peer: Peer, plan: string | undefined): void {
    const wanted = current.get(peer.fleet)
    if (wanted === undefined || plan !== wanted.id) return
    peer.sent = wanted
    peer.applied = plan
  }

  function send(peer: Peer): void {
    const wanted = current.get(peer.fleet)
    if (wanted === undefined || peer.sent === wanted) return
    // who does not read is let go: it comes back and gets a snapshot
    if (peer.socket.bufferedAmount > MOST_WAITING) return peer.socket.terminate()
    const from = peer.sent
    peer.sent = wanted
    if (from?.id === wanted.id) return
    const known = wanted.messages.get(from?.id ?? '')
    const message = known ?? writeMessage(messageTo(wanted, from))
    wanted.messages.set(from?.id ?? '', message)
    peer.socket.send(message)
  }

  const missing = (fleet: string): number => {
    let count = expected(fleet)
    for (const peer of peers) if (peer.fleet === fleet) count -= 1
    return Math.max(0, count)
  }
  const forgive = (fleet: string): void => {
    const count = missing(fleet)
    if ((givenUp.get(fleet) ?? 0) > count) givenUp.set(fleet, count)
  }
  const behind = ({ sent, applied, refused }: Peer): boolean =>
    sent !== undefined && applied !== sent.id && refused !== sent.id
  const allServe = (): boolean => {
    for (const peer of peers) if (!peer.slow && behind(peer)) return false
    for (const fleet of current.keys()) if (missing(fleet) > (givenUp.get(fleet) ?? 0)) return false
    return true
  }
  /** What is true without them will be said without them. */
  const giveUp = (): void => {
    for (const peer of peers) {
      if (peer.slow || !behind(peer)) continue
      peer.slow = true
      events.emit(
        'warn',
        'fleet/behind',
        `data plane ${peer.name} of ${peer.fleet} does not serve plan ${peer.sent?.id ?? ''} yet`,
      )
    }
    for (const fleet of current.keys()) {
      const count = missing(fleet)
      if (count > (givenUp.get(fleet) ?? 0))
        events.emit('warn', 'fleet/missing', `${count} data planes of ${fleet} are ready, but not connected`)
      givenUp.set(fleet, count)
    }
  }
  const served = async (): Promise<void> => {
    const until = Date.now() + (options.patience ?? 5000)
    while (welcome() && !allServe()) {
      const left = until - Date.now()
      if (left <= 0) return giveUp()
      await nextNews(waiters, left)
    }
  }

  const heartbeat = setInterval(() => {
    for (const peer of peers) {
      if (!peer.alive) peer.socket.terminate()
      peer.alive = false
      peer.socket.ping()
    }
  }, HEARTBEAT)
  heartbeat.unref()

  await new Promise<void>((resolve, reject) => {
    server.once('error', reject)
    server.listen({ host: options.address, port: options.port }, () => resolve())
  })

  return {
    port: (server.address() as AddressInfo).port,
    publish: async (models) => {
      for (const [fleet, model] of models) {
        if (current.get(fleet)?.model !== model) current.set(fleet, { ...planOf(model), messages: new Map() })
        forgive(fleet)
      }
      for (const fleet of current.keys()) {
        if (models.has(fleet)) continue
        current.delete(fleet)
        givenUp.delete(fleet)
      }
      for (const peer of peers) send(peer)
      // they hold secrets, and are of use to those only who were at the same plan
      for (const { messages } of current.values()) messages.clear()
      await served()
    },
    served,
    dataPlanes: () =>
      [...peers].map(({ fleet, name, applied, connectedAt }) => ({ fleet, name, plan: applied, connectedAt })),
    dismiss: () => {
      // restart elsewhere: the standard's word for it
      for (const peer of peers) peer.socket.close(1012, 'another control plane leads')
      wake()
    },
    close: async () => {
      clearInterval(heartbeat)
      for (const peer of peers) peer.socket.terminate()
      sockets.close()
      await new Promise<void>((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      })
    },
  }
}

function messageTo(wanted: Published, from: Published | undefined): Parameters<typeof writeMessage>[0] {
  const { id: plan, model } = wanted
  if (from === undefined) return { kind: 'snapshot', plan, model }
  return { kind: 'delta', from: from.id, plan, delta: difference(from.model, model) }
}

function nextNews(waiters: Set<() => void>, within: number): Promise<void> {
  return new Promise((resolve) => {
    const done = (): void => {
      clearTimeout(timer)
      waiters.delete(done)
      resolve()
    }
    const timer = setTimeout(done, within)
    waiters.add(done)
  })
}
