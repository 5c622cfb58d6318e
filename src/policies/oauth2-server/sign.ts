/** Claims and a key → a signed JWT (RFC 7519, RFC 7515 compact form). */
import { constants, createHmac, createPrivateKey, sign as signBytes } from 'node:crypto'
import type { algorithms } from '../shared/algorithms.ts'

export type Algorithm = (typeof algorithms)[number]

/** The key is read once. Throws for a key that does not fit the algorithm. */
export function signer(algorithm: Algorithm, secretOrPrivateKey: string): (claims: object) => string {
  const hash = `sha${algorithm.slice(2)}`
  const head = base64url(JSON.stringify({ alg: algorithm, typ: 'JWT' }))
  const seal = sealer(algorithm, hash, secretOrPrivateKey)
  return (claims) => {
    const text = `${head}.${base64url(JSON.stringify(claims))}`
    return `${text}.${seal(text)}`
  }
}

function sealer(algorithm: Algorithm, hash: string, secret: string): (text: string) => string {
  if (algorithm.startsWith('HS')) return (text) => createHmac(hash, secret).update(text).digest('base64url')
  const key = createPrivateKey(secret)
  const wanted = algorithm.startsWith('ES') ? 'ec' : 'rsa'
  if (key.asymmetricKeyType !== wanted) throw new TypeError(`${algorithm} needs a private key of type ${wanted}`)
  switch (algorithm.slice(0, 2)) {
    case 'PS':
      return (text) =>
        signBytes(hash, Buffer.from(text), {
          key,
          padding: constants.RSA_PKCS1_PSS_PADDING,
          saltLength: constants.RSA_PSS_SALTLEN_DIGEST,
        }).toString('base64url')
    case 'ES':
      return (text) => signBytes(hash, Buffer.from(text), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url')
    default:
      return (text) => signBytes(hash, Buffer.from(text), key).toString('base64url')
  }
}

function base64url(text: string): string {
  return Buffer.from(text).toString('base64url')
}
