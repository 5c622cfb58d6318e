/** Names → addresses, remembered for a while. An address passes through. A name that cannot be resolved now keeps what it had. */
import dns from 'node:dns'
import { isIP, type LookupFunction } from 'node:net'

const FRESH = 5_000
const STALE = 300_000

interface Entry {
  addresses: readonly dns.LookupAddress[]
  at: number
  turn: number
  pending: Promise<readonly dns.LookupAddress[]> | undefined
}

export class Resolver {
  readonly #entries = new Map<string, Entry>()

  /** For `lookup` of net.connect and tls.connect. Rotates over the addresses. */
  readonly lookup: LookupFunction = (name, options, callback) => {
    const family = isIP(name)
    if (family !== 0) {
      if (options.all === true) callback(null, [{ address: name, family }])
      else callback(null, name, family)
      return
    }
    void this.#answer(name, options.all === true, callback)
  }

  async #answer(name: string, all: boolean, callback: Parameters<LookupFunction>[2]): Promise<void> {
    let addresses: readonly dns.LookupAddress[]
    try {
      addresses = await this.#resolve(name)
    } catch (error) {
      callback(error as NodeJS.ErrnoException, '', 4)
      return
    }
    const entry = this.#entries.get(name)
    const start = (entry === undefined ? 0 : entry.turn++) % addresses.length
    const chosen = addresses[start]!
    if (all) callback(null, [...addresses.slice(start), ...addresses.slice(0, start)])
    else callback(null, chosen.address, chosen.family)
  }

  async #resolve(name: string): Promise<readonly dns.LookupAddress[]> {
    const now = performance.now()
    let entry = this.#entries.get(name)
    if (entry !== undefined && entry.addresses.length > 0 && now - entry.at < FRESH) return entry.addresses
    if (entry === undefined) {
      entry = { addresses: [], at: Number.NEGATIVE_INFINITY, turn: 0, pending: undefined }
      this.#entries.set(name, entry)
    }
    const known = entry
    known.pending ??= dns.promises
      .lookup(name, { all: true })
      .then((addresses) => {
        known.addresses = addresses
        known.at = performance.now()
        return addresses
      })
      .finally(() => {
        known.pending = undefined
      })
    try {
      return await known.pending
    } catch (error) {
      if (known.addresses.length > 0 && now - known.at < STALE) return known.addresses
      throw error
    }
  }
}
