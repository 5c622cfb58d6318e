/** Settings and wishes → the admin server, opened, moved or closed. Effect. */
import type { Server } from 'node:http'
import type { Handler } from '../lib/handler.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Settings } from '../runtime/settings.ts'
import type { Wishes } from '../sources/source.ts'
import { isLoopback, openAdmin, type AdminServer } from './server.ts'

const LOOPBACK = '127.0.0.1'

/** The admin server, where flags and variables want it, else where the latest wishes do. It moves only when address or port change. */
export class AdminDoor {
  #server: AdminServer | undefined
  #wanted = ''
  readonly #settings: Settings['admin']

  constructor(settings: Settings['admin']) {
    this.#settings = settings
  }

  get url(): string | undefined {
    return this.#server?.url
  }

  get server(): Server | undefined {
    return this.#server?.server
  }

  async move(wishes: readonly Wishes[], handlers: readonly Handler[]): Promise<readonly Diagnostic[]> {
    const admin = this.#settings
    const wished = wishes.find((wish) => wish.admin !== undefined)?.admin
    const fromExpressGateway = wishes.some((wish) => wish.expressGateway !== undefined)
    // Express Gateway without an admin section has no admin API; a flag or a variable can still ask for one
    const asked = admin.enabled === true || admin.port !== undefined || admin.address !== undefined
    if (admin.enabled === false || (fromExpressGateway && wished === undefined && !asked)) {
      await this.close()
      return []
    }
    const diagnostics: Diagnostic[] = []
    let address = admin.address ?? wished?.address ?? LOOPBACK
    const port = admin.port ?? wished?.port ?? 9876
    if (!isLoopback(address) && admin.token === undefined) {
      diagnostics.push({
        code: 'gantry/admin-without-token',
        severity: 'warning',
        message: `the admin API does not listen on ${address} without a token; it listens on ${LOOPBACK}`,
        hint: 'GANTRY_ADMIN_TOKEN or --admin-token, 16 characters or more',
        origin: { source: 'gantry', object: 'admin' },
      })
      address = LOOPBACK
    }
    const wanted = `${address} ${port}`
    if (this.#server !== undefined && this.#wanted === wanted) return diagnostics
    try {
      const options = { address, port, handlers, ...(admin.token === undefined ? {} : { token: admin.token }) }
      const opened = await openAdmin(options)
      await this.#server?.close()
      this.#server = opened
      this.#wanted = wanted
    } catch (error) {
      diagnostics.push({
        code: 'gantry/admin-port',
        severity: 'error',
        message: `the admin API cannot listen on ${address}:${port}: ${error instanceof Error ? error.message : String(error)}`,
        hint: 'another process has the port: choose one with --admin-port, or --admin-enabled off',
        origin: { source: 'gantry', object: 'admin' },
      })
    }
    return diagnostics
  }

  async close(): Promise<void> {
    await this.#server?.close()
    this.#server = undefined
    this.#wanted = ''
  }
}
