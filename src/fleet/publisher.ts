/**
 * Models by fleet → the data planes that are connected. The control plane's side: WebSocket over TLS, a bearer token for
 * each data plane; it remembers who serves what, and says when all of a fleet do.
 */
import { createServer, type Server } from 'node:https'
import type { AddressInfo } from 'node:net'
import { WebSocket, WebSocketServer } from 'ws'
import { difference } from '../model/encode.ts'
import type { Model } from '../model/model.ts'
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
  readonly events: Events
  /** How long `publish` waits for those who are connected, milliseconds. Default 5000. */
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
  /** Sends what has changed; resolves when every connected data plane of the fleets that changed serves it, or patience ends. */
  publish(plan: string, models: ReadonlyMap<string, Model>): Promise<void>
  dataPlanes(): readonly DataPlane[]
  close(): Promise<void>
}

interface Peer {
  readonly socket: WebSocket
  readonly fleet: string
  name: string
  readonly connectedAt: number
  sent: { readonly plan: string; readonly model: Model } | undefined
  applied: string | undefined
  /** The plan that it could not serve; it serves the one before. */
  refused: string | undefined
  alive: boolean
}

const HEARTBEAT = 10_000
const MOST_WAITING = 64 * 1024 * 1024

export async function openPublisher(options: PublisherOptions): Promise<Publisher> {
  const server: Server = createServer({ cert: options.certificate, key: options.key, minVersion: 'TLSv1.2' })
  const sockets = new WebSocketServer({ noServer: true, maxPayload: 1 << 20 })
  const peers = new Set<Peer>()
  const current = new Map<string, { readonly plan: string; readonly model: Model }>()
  const waiters = new Set<() => void>()
  const wake = (): void => {
    for (const waiter of waiters) waiter()
  }

  server.on('upgrade', (request, socket, head) => {
    const token = /^Bearer (.+)$/.exec(request.headers.authorization ?? '')?.[1]
    const fleet = token === undefined ? undefined : options.fleetOf(token)
    if (fleet === undefined) {
      socket.end('HTTP/1.1 401 Unauthorized\r\nConnection: close\r\nContent-Length: 0\r\n\r\n')
      return
    }
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
    }
    socket.on('pong', () => (peer.alive = true))
    socket.on('error', () => socket.terminate())
    socket.on('close', () => {
      peers.delete(peer)
      options.events.emit('info', 'fleet/left', `data plane ${peer.name} of ${fleet} has left`)
      wake()
    })
    socket.on('message', (data) => {
      try {
        hear(peer, readUpward((data as Buffer).toString('utf8')))
      } catch (error) {
        options.events.emit('warn', 'fleet/bad-message', `data plane ${peer.name} of ${fleet}: ${String(error)}`)
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
        options.events.emit('info', 'fleet/joined', `data plane ${peer.name} of ${peer.fleet} has joined`)
        send(peer)
        return
      case 'applied':
        peer.applied = message.plan
        return wake()
      case 'refused':
        peer.refused = message.plan
        options.events.emit(
          'error',
          'fleet/refused',
          `data plane ${peer.name} of ${peer.fleet} refused plan ${message.plan}`,
          { diagnostics: message.diagnostics },
        )
        return wake()
    }
  }

  function send(peer: Peer): void {
    const wanted = current.get(peer.fleet)
    if (wanted === undefined || peer.sent?.model === wanted.model) return
    // who does not read is let go: it comes back and gets a snapshot
    if (peer.socket.bufferedAmount > MOST_WAITING) return peer.socket.terminate()
    const { plan, model } = wanted
    const message =
      peer.sent === undefined
        ? writeMessage({ kind: 'snapshot', plan, model })
        : writeMessage({ kind: 'delta', from: peer.sent.plan, plan, delta: difference(peer.sent.model, model) })
    peer.sent = wanted
    peer.socket.send(message)
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
    publish: async (plan, models) => {
      for (const [fleet, model] of models) if (current.get(fleet)?.model !== model) current.set(fleet, { plan, model })
      for (const fleet of current.keys()) if (!models.has(fleet)) current.delete(fleet)
      for (const peer of peers) send(peer)
      const behind = (): boolean =>
        [...peers].some(
          ({ sent, applied, refused }) => sent !== undefined && applied !== sent.plan && refused !== sent.plan,
        )
      const until = Date.now() + (options.patience ?? 5000)
      while (behind() && Date.now() < until) await nextNews(waiters, until - Date.now())
    },
    dataPlanes: () =>
      [...peers].map(({ fleet, name, applied, connectedAt }) => ({ fleet, name, plan: applied, connectedAt })),
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
