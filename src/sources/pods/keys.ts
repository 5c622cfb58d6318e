/** Keys that the two annotations know, and what is said of others: they are served without, and told. Pure. */
import { nearestWord } from '../../lib/yaml/words.ts'
import { fieldOf, type Json } from './json.ts'

const hostKeys = ['ssl', 'namespaces']
export const pathKeys = ['basePath', 'containerPort', 'targetPath', 'weight']
const sslKeys = ['certificate', 'certificateKey', 'clientCertificate']

interface Unknown {
  readonly message: string
  readonly hint: string
}

/** Of one object, and letters of a key: a tenant does not fill the log of all. */
const MOST = 8
const LETTERS = 64

/** Of an object; nothing of what is none. Case makes no difference, as in `fieldOf`. */
export function unknownKeys(json: Json, known: readonly string[], where = ''): readonly Unknown[] {
  if (json.kind !== 'object') return []
  const names = known.map((name) => name.toLowerCase())
  return [...new Set(json.entries.map(([key]) => key))]
    .filter((key) => !names.includes(key.toLowerCase()))
    .slice(0, MOST)
    .map((full) => {
      const key = full.slice(0, LETTERS)
      const guess = nearestWord(key, known)
      return {
        message: `there is no key ${JSON.stringify(key)}${where}; it is ignored`,
        hint: guess === undefined ? `known are ${known.join(', ')}` : `did you mean ${guess}?`,
      }
    })
}

/** Of the options of a host, with those below `ssl`. Who seems to want TLS is told that there is none. */
export function unknownHostKeys(options: Json): readonly Unknown[] {
  const ssl = fieldOf(options, 'ssl')
  const own = unknownKeys(options, hostKeys).map((unknown) =>
    ssl === undefined && /ssl|tls|cert/i.test(unknown.message)
      ? { message: `${unknown.message}, and the host is served without TLS`, hint: 'did you mean ssl?' }
      : unknown,
  )
  if (ssl === undefined) return own
  const below = sslKeys.flatMap((name) => {
    const given = fieldOf(ssl, name)
    const from = given === undefined ? undefined : fieldOf(given, 'valueFrom')
    const secret = from === undefined ? undefined : fieldOf(from, 'secretKeyRef')
    return [
      ...(given === undefined ? [] : unknownKeys(given, ['valueFrom'], ` in ssl.${name}`)),
      ...(from === undefined ? [] : unknownKeys(from, ['secretKeyRef'], ` in ssl.${name}.valueFrom`)),
      // the Secret is always the one that the environment names
      ...(secret === undefined ? [] : unknownKeys(secret, ['key'], ` in ssl.${name}.valueFrom.secretKeyRef`)),
    ]
  })
  return [...own, ...unknownKeys(ssl, sslKeys, ' in ssl'), ...below]
}
