/** Configured key material → keys with the algorithms that they can verify. */
import { createPublicKey, createSecretKey, type JsonWebKey, type KeyObject } from 'node:crypto'
import type { Config } from './policy.ts'

export type Algorithm = NonNullable<Config['algorithms']>[number]

export interface VerificationKey {
  readonly key: KeyObject
  readonly kid: string | undefined
  readonly algorithms: readonly Algorithm[]
}

export type StaticKey = Exclude<Config['keys'][number], { readonly kind: 'jwks' }>

/** Throws for material that is no key: the route then fails closed. */
export function compileKey(given: StaticKey): VerificationKey {
  switch (given.kind) {
    case 'secret': {
      const bytes = Buffer.from(given.secret.reveal(), given.encoding)
      if (bytes.length === 0) throw new Error('the secret of a jwt key is empty')
      return { key: createSecretKey(bytes), kid: given.kid, algorithms: hmac }
    }
    case 'pem': {
      // a certificate's public key, too
      const key = createPublicKey(given.pem)
      return { key, kid: given.kid, algorithms: algorithmsFor(key) }
    }
    case 'jwk':
      return compileJwk(given.jwk)
  }
}

export function compileJwk(jwk: Readonly<Record<string, unknown>>): VerificationKey {
  const kid = typeof jwk['kid'] === 'string' ? jwk['kid'] : undefined
  const key =
    jwk['kty'] === 'oct' && typeof jwk['k'] === 'string'
      ? createSecretKey(Buffer.from(jwk['k'], 'base64url'))
      : createPublicKey({ key: jwk as JsonWebKey, format: 'jwk' })
  if (jwk['use'] !== undefined && jwk['use'] !== 'sig')
    throw new Error('a JSON Web Key for encryption verifies nothing')
  const fitting = key.type === 'secret' ? hmac : algorithmsFor(key)
  const named = jwk['alg']
  return { key, kid, algorithms: named === undefined ? fitting : fitting.filter((algorithm) => algorithm === named) }
}

const hmac: readonly Algorithm[] = ['HS256', 'HS384', 'HS512']
const rsa: readonly Algorithm[] = ['RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']
const curves: Readonly<Record<string, Algorithm>> = { prime256v1: 'ES256', secp384r1: 'ES384', secp521r1: 'ES512' }

/** A key is bound to its own family: a public key is never the secret of an HMAC. */
function algorithmsFor(key: KeyObject): readonly Algorithm[] {
  switch (key.asymmetricKeyType) {
    case 'rsa':
      return rsa
    case 'rsa-pss':
      return rsa.slice(3)
    case 'ec': {
      const curve = curves[key.asymmetricKeyDetails?.namedCurve ?? '']
      return curve === undefined ? [] : [curve]
    }
    case 'ed25519':
    case 'ed448':
      return ['EdDSA']
    default:
      throw new Error(`a key of type ${String(key.asymmetricKeyType)} verifies no JWT`)
  }
}
