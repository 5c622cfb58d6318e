/** Listeners → those that can stand beside one another, with certificates that exist. Pure. */
import { isIP } from 'node:net'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Certificate, Listener, ListenerTls, Protocol } from '../model/model.ts'
import { canonical } from './canonical.ts'
import { Copies, filterSame, mapSame } from './memo.ts'

const copies = new Copies<Listener>()

/** What cannot share one socket: TLS is told from plain HTTP before a byte is read. */
const family: Readonly<Record<Protocol, string>> = { http: 'http', https: 'tls', tls: 'tls', tcp: 'tcp', udp: 'udp' }

/** Listeners meet where `machineOf` says the same. */
export function checkListeners(
  given: readonly Listener[],
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
  machineOf: (listener: string) => string | undefined,
): readonly Listener[] {
  const sockets = new Map<string, Listener>()
  const claims = new Map<string, Listener>()
  const standing = filterSame(given, (listener) => {
    const problem = misplaced(listener, machineOf(listener.id) ?? '', sockets, claims)
    if (problem !== undefined) diagnostics.push(problem)
    return problem === undefined
  })
  return mapSame(standing, (listener) => withCertificates(listener, certificates, diagnostics))
}

function misplaced(
  listener: Listener,
  machine: string,
  sockets: Map<string, Listener>,
  claims: Map<string, Listener>,
): Diagnostic | undefined {
  const { id, address, port, protocol, origin } = listener
  const say = (code: string, message: string, hint: string, related?: Listener): Diagnostic => ({
    code: `check/${code}`,
    severity: 'error',
    message: `listener ${id}: ${message}; it is left out`,
    hint,
    origin,
    ...(related === undefined ? {} : { related: [related.origin] }),
  })
  if (!Number.isInteger(port) || port < 0 || port > 65_535) {
    return say('port', `${port} is not a port`, 'a number from 1 to 65535, or 0 for any free one')
  }
  if (address !== '*' && isIP(address) === 0) {
    return say('address', `"${address}" is not an address`, 'an IP address of this machine, or * for all')
  }
  if ((protocol === 'https' || protocol === 'tls') && listener.tls === undefined) {
    return say('tls', `${protocol} without TLS settings`, 'say which certificates it serves')
  }
  if (port === 0) return undefined
  const place = `${machine} ${protocol === 'udp' ? 'udp' : 'tcp'} ${address}:${port}`
  const rival = sockets.get(place)
  if (rival !== undefined && family[rival.protocol] !== family[protocol]) {
    return say(
      'listener-protocol',
      `${address}:${port} cannot speak ${protocol}, for ${rival.id} speaks ${rival.protocol} there`,
      'give one of them another port',
      rival,
    )
  }
  const claim = `${place} ${listener.host === undefined ? '' : canonical(listener.host)}`
  const twin = claims.get(claim)
  if (twin !== undefined) {
    return say('same-listener', `${twin.id} has the same address, port and host`, 'one of them is too many', twin)
  }
  if (rival === undefined) sockets.set(place, listener)
  claims.set(claim, listener)
  return undefined
}

function withCertificates(
  listener: Listener,
  certificates: ReadonlyMap<string, Certificate>,
  diagnostics: Diagnostic[],
): Listener {
  const { tls } = listener
  if (tls === undefined) return listener
  const say = (code: string, message: string, hint: string): void => {
    diagnostics.push({
      code: `check/${code}`,
      severity: 'error',
      message: `listener ${listener.id} ${message}`,
      hint,
      origin: listener.origin,
    })
  }
  const served = filterSame(tls.certificates, (id) => {
    const certificate = certificates.get(id)
    if (certificate?.key !== undefined) return true
    const what = certificate === undefined ? 'which does not exist' : 'which has no key'
    say('unknown-certificate', `serves the certificate ${id}, ${what}`, 'a certificate with its key')
    return false
  })
  const ca = tls.clientValidation?.ca
  const trusted =
    ca &&
    filterSame(ca, (id) => {
      if (certificates.has(id)) return true
      say('unknown-certificate', `trusts the certificate ${id}, which does not exist`, 'nobody is trusted in its place')
      return false
    })
  if (tls.mode === 'terminate' && served.length === 0) {
    say('no-certificate', 'has no certificate; every handshake fails', 'name a certificate that exists')
  }
  if (served === tls.certificates && trusted === ca) return listener
  const validation = tls.clientValidation
  const changed: ListenerTls = {
    ...tls,
    certificates: served,
    ...(validation === undefined || trusted === undefined ? {} : { clientValidation: { ...validation, ca: trusted } }),
  }
  return copies.of(listener, canonical(changed), () => ({ ...listener, tls: changed }))
}
