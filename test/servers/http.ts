/** A server of Node's → its port, and an end that waits for nobody. Effects. */
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface OpenServer {
  readonly port: number
  stop(): Promise<void>
}

/** On a free port of every address of this machine. */
export async function openServer(server: Server): Promise<OpenServer> {
  await new Promise<void>((done) => server.listen(0, '0.0.0.0', done))
  return {
    port: (server.address() as AddressInfo).port,
    stop: () =>
      new Promise((done) => {
        server.close(() => done())
        server.closeAllConnections()
      }),
  }
}
