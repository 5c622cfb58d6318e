/** What every proxy beside Gantry is to the bench. */
import { createServer } from 'node:net'
import type { AddressInfo } from 'node:net'
import type { Materials } from '../materials.ts'
import type { Running } from './process.ts'

export interface Place {
  /** Of this peer alone; it exists. */
  readonly folder: string
  /** Ports of the HTTP backend, of the same in HTTP/2 alone, and of the one that echoes WebSocket messages. */
  readonly backend: number
  readonly h2c: number
  readonly echo: number
  readonly materials: Materials
}

export interface Started extends Running {
  /** Where a row is served, with scheme and port; undefined: this peer has no such row. */
  origin(row: string): string | undefined
}

export interface Peer {
  readonly name: string
  /** Why it cannot be started, and what would help; undefined: it can. May install it, into the cache. */
  missing(): string | undefined
  start(place: Place): Promise<Started>
}

/** A port that was free a moment ago. */
export function freePort(): Promise<number> {
  return new Promise((resolve, reject) => {
    const server = createServer()
    server.once('error', reject)
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

/** A port for each name. */
export async function freePorts<Name extends string>(names: readonly Name[]): Promise<Readonly<Record<Name, number>>> {
  const ports = new Set<number>()
  while (ports.size < names.length) ports.add(await freePort())
  const found = [...ports]
  return Object.fromEntries(names.map((name, at) => [name, found[at]])) as Record<Name, number>
}
