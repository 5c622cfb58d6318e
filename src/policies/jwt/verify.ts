/** The text of a token and the keys → its claims, or undefined. Signature only; claims are checked by the policy. */
import { isUtf8 } from 'node:buffer'
import { constants, createHmac, type KeyObject, timingSafeEqual, verify } from 'node:crypto'
import type { Algorithm, VerificationKey } from './keys.ts'

export type Claims = Readonly<Record<string, unknown>>

export interface ParsedToken {
  readonly algorithm: Algorithm
  readonly kid: string | undefined
  readonly claims: Claims
  /** What is signed. */
  readonly input: string
  readonly signature: Buffer
}

const longest = 16_384
const compact = /^([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)\.([A-Za-z0-9_-]+)$/

/** RFC 7515 compact form. A header with `crit` asks for something that we do not know: refused. */
export function parseToken(token: string): ParsedToken | undefined {
  if (token.length > longest) return undefined
  const parts = compact.exec(token)
  if (parts === null) return undefined
  const [, headerPart = '', claimsPart = '', signaturePart = ''] = parts
  const header = objectIn(headerPart)
  const claims = objectIn(claimsPart)
  const signature = bytesOf(signaturePart)
  if (signature === undefined || header === undefined || claims === undefined || 'crit' in header) return undefined
  const { alg, kid } = header
  if (typeof alg !== 'string' || !Object.hasOwn(hashes, alg)) return undefined
  return {
    algorithm: alg as Algorithm,
    kid: typeof kid === 'string' ? kid : undefined,
    claims,
    input: token.slice(0, headerPart.length + 1 + claimsPart.length),
    signature,
  }
}

/** A token that names a key is tried with that one, and with keys that have no name. */
export function keyFits(key: VerificationKey, token: ParsedToken): boolean {
  return (
    (key.kid === undefined || token.kid === undefined || key.kid === token.kid) &&
    key.algorithms.includes(token.algorithm)
  )
}

export function signatureHolds(token: ParsedToken, key: KeyObject): boolean {
  const hash = hashes[token.algorithm]
  const family = token.algorithm.slice(0, 2)
  if (family === 'HS') {
    const expected = createHmac(hash ?? '', key)
      .update(token.input)
      .digest()
    return expected.length === token.signature.length && timingSafeEqual(expected, token.signature)
  }
  const input = Buffer.from(token.input)
  switch (family) {
    case 'RS':
      return verify(hash, input, key, token.signature)
    case 'PS':
      return verify(hash, input, pss(key), token.signature)
    case 'ES':
      return verify(hash, input, { key, dsaEncoding: 'ieee-p1363' }, token.signature)
    default:
      return verify(null, input, key, token.signature)
  }
}

function pss(key: KeyObject): { key: KeyObject; padding: number; saltLength: number } {
  return { key, padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST }
}

const hashes: Readonly<Record<Algorithm, string | undefined>> = {
  HS256: 'sha256',
  HS384: 'sha384',
  HS512: 'sha512',
  RS256: 'sha256',
  RS384: 'sha384',
  RS512: 'sha512',
  PS256: 'sha256',
  PS384: 'sha384',
  PS512: 'sha512',
  ES256: 'sha256',
  ES384: 'sha384',
  ES512: 'sha512',
  EdDSA: undefined,
}

/** RFC 4648 3.5: bits left over must be zero, or one token could be written in several ways. */
function bytesOf(part: string): Buffer | undefined {
  const bytes = Buffer.from(part, 'base64url')
  return bytes.toString('base64url') === part ? bytes : undefined
}

function objectIn(part: string): Record<string, unknown> | undefined {
  const bytes = bytesOf(part)
  if (bytes === undefined || !isUtf8(bytes)) return undefined
  try {
    const value: unknown = JSON.parse(bytes.toString('utf8'))
    return typeof value === 'object' && value !== null && !Array.isArray(value)
      ? (value as Record<string, unknown>)
      : undefined
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
}
