/** A folder → what every peer is configured with: certificate, keys, tokens, headers. Effect: writes the files there. */
import { execFileSync } from 'node:child_process'
import { createHmac, createSign, generateKeyPairSync } from 'node:crypto'
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'

export interface Materials {
  /** ECDSA P-256, PEM. */
  readonly tls: { readonly cert: string; readonly key: string }
  /** Certificate and key in one file, as HAProxy reads them. */
  readonly tlsBundle: string
  /** Public key, PEM, for tokens of RS256. */
  readonly rs256File: string
  /** The same as a set of JSON Web Keys, and the secret of HS256 as another. */
  readonly rs256Set: string
  readonly hs256Set: string
  readonly hs256Secret: string
  readonly hs256Token: string
  readonly rs256Token: string
}

export const issuer = 'bench'
export const apiKey = 'bench:secret'

/** Ten ordinary headers with Host: what a browser sends. */
export const ordinary: Readonly<Record<string, string>> = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'accept-language': 'en-US,en;q=0.5',
  'accept-encoding': 'gzip, deflate, br',
  'cache-control': 'no-cache',
  referer: 'http://example.com/a/page',
  cookie: 'session=0123456789abcdef; theme=dark',
  'sec-fetch-mode': 'cors',
  'x-request-source': 'bench',
}

/** The backend's answer, 64 bytes. */
export const answerBody = '{"message":"hello from the backend","ok":true,"n":1234567890123}'

export function prepareMaterials(folder: string): Materials {
  mkdirSync(folder, { recursive: true })
  const at = (name: string): string => join(folder, name)
  const tls = makeCertificate(folder, 'localhost')
  const tlsBundle = at('bundle.pem')
  execFileSync('sh', ['-c', 'cat "$1" "$2" > "$3"', 'sh', tls.cert, tls.key, tlsBundle])
  const pair = generateKeyPairSync('rsa', { modulusLength: 2048 })
  writeFileSync(at('rs256.pem'), pair.publicKey.export({ type: 'spki', format: 'pem' }))
  const hs256Secret = 'bench-secret-0123456789abcdef0123456789'
  const k = Buffer.from(hs256Secret).toString('base64url')
  return {
    tls,
    tlsBundle,
    rs256File: at('rs256.pem'),
    rs256Set: JSON.stringify({ keys: [{ ...pair.publicKey.export({ format: 'jwk' }), alg: 'RS256', kid: 'bench' }] }),
    hs256Set: JSON.stringify({ keys: [{ kty: 'oct', alg: 'HS256', kid: 'bench', k }] }),
    hs256Secret,
    hs256Token: token('HS256', (head) => createHmac('sha256', hs256Secret).update(head).digest('base64url')),
    rs256Token: token('RS256', (head) => createSign('sha256').update(head).sign(pair.privateKey, 'base64url')),
  }
}

/** Self-signed, for localhost and 127.0.0.1; files `NAME.crt` and `NAME.key`. */
export function makeCertificate(folder: string, name: string): { readonly cert: string; readonly key: string } {
  const [cert, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const subject = ['-subj', `/CN=${name}`, '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:P-256', '-nodes', '-days', '30']
  execFileSync('openssl', ['req', '-x509', ...kind, ...subject, '-keyout', key, '-out', cert], { stdio: 'ignore' })
  return { cert, key }
}

/** Valid for a day. */
function token(algorithm: string, sign: (head: string) => string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const claims = { iss: issuer, sub: 'bench', iat: now, exp: now + 86_400 }
  const head = `${part({ alg: algorithm, typ: 'JWT', kid: 'bench' })}.${part(claims)}`
  return `${head}.${sign(head)}`
}
