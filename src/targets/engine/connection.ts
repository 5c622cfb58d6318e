/** What policies may know of a client's connection: made once a connection, again where a trusted proxy speaks for others. */
import { BlockList, isIP, type Socket } from 'node:net'
import type { TLSSocket } from 'node:tls'
import type { Fields } from '../../lib/http1/fields.ts'
import type { ConnectionFacts } from '../../policies/policy.ts'
import type { CompiledListener } from './compile.ts'
import type { EngineExchange } from './exchange.ts'
import type { OpenSocket } from './listeners.ts'

/** What a front of our own says with each request, on sockets of the file system only. */
const FRONT = 'gantry-front'

/** Who may say for whom a request is. */
export interface Trust {
  trusts(address: string): boolean
}

/** The other end of a connection, as its wire knows it. */
interface FarEnd {
  readonly remote: { readonly address: string; readonly port: number }
  /** Made when it is asked for, where the connection can do without. */
  readonly socket: Socket
}

export class ConnectionFactsOf {
  readonly remoteAddress: string
  readonly secure: boolean
  readonly serverName: string | undefined
  readonly #end: FarEnd
  readonly #remotePort: number
  readonly #certificate: 'absent' | 'verified' | 'unverified'
  /** Behind a front of our own, on a socket of the file system: it says for whom each request is. */
  readonly #behind: boolean
  #last: Facts | undefined
  #lastListener: CompiledListener | undefined

  constructor(end: FarEnd, tls: TLSSocket | undefined, open: OpenSocket) {
    const { address, port } = end.remote
    this.#end = end
    this.remoteAddress = plain(address)
    this.#remotePort = port
    this.secure = tls !== undefined
    this.#behind = open.plan.address?.startsWith('unix:') === true
    const name =
      tls === undefined ? undefined : (tls as TLSSocket & { readonly servername?: string | false }).servername
    this.serverName = typeof name === 'string' ? name.toLowerCase() : undefined
    this.#certificate = tls === undefined || !open.asksForCertificates ? 'absent' : shown(tls)
  }

  of(listener: CompiledListener, fields: Fields): Facts {
    const { trust } = listener
    if (this.#behind) {
      const front = fields.get(FRONT)
      if (front !== undefined) {
        fields.delete(FRONT)
        return this.#told(listener, front)
      }
    }
    if (trust === undefined || !trust.trusts(this.remoteAddress)) {
      if (this.#last !== undefined && this.#lastListener === listener) return this.#last
      this.#lastListener = listener
      return (this.#last = this.#make(listener, this.remoteAddress, false))
    }
    let client = this.remoteAddress
    const named = fields.get('x-forwarded-for')?.split(',') ?? []
    for (let at = named.length - 1; at >= 0; at--) {
      const address = plain(named[at]!.trim())
      if (isIP(address) === 0) break
      client = address
      if (!trust.trusts(address)) break
    }
    return this.#make(listener, client, true)
  }

  /** Address, port, scheme, nginx's word for the certificate, SNI. */
  #told(listener: CompiledListener, front: string): Facts {
    const [address = '', port = '', scheme, verify, name = ''] = front.split(' ')
    const certificate = verify === 'SUCCESS' ? 'verified' : verify === 'NONE' || verify === '' ? 'absent' : 'unverified'
    return new Facts(
      plain(address),
      plain(address),
      Number(port),
      scheme === 'https' ? 'https' : 'http',
      name === '' ? undefined : name.toLowerCase(),
      certificate,
      listener.listener.id,
      this.#end,
      false,
    )
  }

  #make(listener: CompiledListener, client: string, trusted: boolean): Facts {
    return new Facts(
      client,
      this.remoteAddress,
      this.#remotePort,
      this.secure ? 'https' : 'http',
      this.serverName,
      this.#certificate,
      listener.listener.id,
      this.#end,
      trusted,
    )
  }
}

export class Facts implements ConnectionFacts {
  readonly clientAddress: string
  readonly remoteAddress: string
  readonly remotePort: number
  readonly scheme: 'http' | 'https'
  readonly serverName: string | undefined
  readonly clientCertificate: 'absent' | 'verified' | 'unverified'
  readonly listener: string
  /** Is the other end a proxy that we believe? */
  readonly trusted: boolean
  readonly #end: FarEnd
  #authority: string | undefined
  #text = ''

  constructor(
    clientAddress: string,
    remoteAddress: string,
    remotePort: number,
    scheme: 'http' | 'https',
    serverName: string | undefined,
    clientCertificate: 'absent' | 'verified' | 'unverified',
    listener: string,
    end: FarEnd,
    trusted: boolean,
  ) {
    this.clientAddress = clientAddress
    this.remoteAddress = remoteAddress
    this.remotePort = remotePort
    this.scheme = scheme
    this.serverName = serverName
    this.clientCertificate = clientCertificate
    this.listener = listener
    this.#end = end
    this.trusted = trusted
  }

  get socket(): Socket {
    return this.#end.socket
  }

  // asked of the system only when asked of us: most connections are never asked
  get localAddress(): string {
    return plain(this.socket.localAddress ?? '')
  }

  get localPort(): number {
    return this.socket.localPort ?? 0
  }

  /** `X-Forwarded-*` that say only ours, as lines. The same for every request of a connection to one host. */
  replaced(authority: string): string {
    if (this.#authority === authority) return this.#text
    this.#authority = authority
    const host = authority === '' ? '' : `X-Forwarded-Host: ${authority}\r\n`
    const port = `X-Forwarded-Port: ${portOf(authority, this.scheme)}\r\n`
    this.#text = `X-Forwarded-For: ${this.clientAddress}\r\n${host}${port}X-Forwarded-Proto: ${this.scheme}\r\n`
    return this.#text
  }
}

/** The lines of `X-Forwarded-*` for one request; those that the client sent are not sent besides. */
export function forwardedLines(exchange: EngineExchange, mode: 'append' | 'replace'): string {
  const facts = exchange.connection as Facts
  const authority = exchange.request.authority ?? ''
  if (mode === 'replace' && !facts.trusted) return facts.replaced(authority)
  const { headers } = exchange.request
  const known = {
    for: headers.get('x-forwarded-for'),
    host: headers.get('x-forwarded-host'),
    port: headers.get('x-forwarded-port'),
    proto: headers.get('x-forwarded-proto'),
  }
  const address = facts.remoteAddress
  const port = portOf(authority, facts.scheme)
  const host = known.host ?? authority
  const lines = [`X-Forwarded-For: ${known.for === undefined ? address : `${known.for},${address}`}`]
  if (host !== '') lines.push(`X-Forwarded-Host: ${host}`)
  if (mode === 'append') {
    lines.push(`X-Forwarded-Port: ${known.port === undefined ? port : `${known.port},${port}`}`)
    lines.push(`X-Forwarded-Proto: ${known.proto === undefined ? facts.scheme : `${known.proto},${facts.scheme}`}`)
  } else {
    lines.push(`X-Forwarded-Port: ${known.port ?? port}`, `X-Forwarded-Proto: ${known.proto ?? facts.scheme}`)
  }
  return `${lines.join('\r\n')}\r\n`
}

/** Addresses and CIDR ranges → who is trusted; undefined where it is nobody. Throws on what is neither. */
export function compileTrust(proxies: readonly string[] | undefined): Trust | undefined {
  if (proxies === undefined || proxies.length === 0) return undefined
  const list = new BlockList()
  for (const proxy of proxies) {
    const [address, bits] = proxy.split('/')
    const family = isIP(address ?? '') === 6 ? 'ipv6' : 'ipv4'
    if (isIP(address ?? '') === 0) throw new TypeError(`not an address or a range of them: ${proxy}`)
    if (bits === undefined) list.addAddress(address!, family)
    else list.addSubnet(address!, Number(bits), family)
  }
  return { trusts: (address) => list.check(address, address.includes(':') ? 'ipv6' : 'ipv4') }
}

/** An IPv4 client of a socket for both families is an IPv4 client. */
function plain(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

/** Of the other end of a socket. */
export function plainAddress(socket: Socket): string {
  return plain(socket.remoteAddress ?? '')
}

function portOf(authority: string, scheme: 'http' | 'https'): string {
  const colon = authority.lastIndexOf(':')
  if (colon > 0 && authority.indexOf(']') < colon && colon < authority.length - 1) return authority.slice(colon + 1)
  return scheme === 'https' ? '443' : '80'
}

function shown(socket: TLSSocket): 'absent' | 'verified' | 'unverified' {
  if (socket.authorized) return 'verified'
  return Object.keys(socket.getPeerCertificate()).length === 0 ? 'absent' : 'unverified'
}
