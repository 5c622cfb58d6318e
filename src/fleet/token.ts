/** A key of the control plane and a fleet's name → the token of its data planes, and back. Nothing has to be stored for it. */
import { createHmac, timingSafeEqual } from 'node:crypto'

/** `name.signature`, both base64url. */
export function issueToken(key: string, fleet: string): string {
  return `${Buffer.from(fleet).toString('base64url')}.${signatureOf(key, fleet).toString('base64url')}`
}

/** The fleet that this token was issued for; undefined for every other text. Takes the same time for every signature. */
export function fleetOfToken(key: string, token: string): string | undefined {
  const [name, signature, ...more] = token.split('.')
  if (name === undefined || signature === undefined || more.length > 0) return undefined
  const fleet = Buffer.from(name, 'base64url').toString()
  const shown = Buffer.from(signature, 'base64url')
  const right = signatureOf(key, fleet)
  return shown.length === right.length && timingSafeEqual(shown, right) ? fleet : undefined
}

function signatureOf(key: string, fleet: string): Buffer {
  return createHmac('sha256', key).update(`gantry data plane ${fleet}`).digest()
}
