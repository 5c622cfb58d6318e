/** system.config → the configuration of the policy `oauth2-server`: its sections, with what stands in the key file. Pure. */
import { Secret } from '../../model/secret.ts'
import { isMapping, type Mapping } from './normalise.ts'
import { type Context, fileText } from './report.ts'

/** What is read of each section. What else stands there is not shown either: it may be a secret. */
const sections = {
  session: ['secret', 'name', 'cookie', 'storeProvider', 'storeOptions'],
  accessTokens: ['timeToExpiry', 'tokenType', 'algorithm', 'issuer', 'audience', 'subject', 'secretOrPrivateKey'],
  refreshTokens: ['timeToExpiry'],
  authorizationCodes: ['timeToExpiry'],
}

export function oauth2ServerConfig(context: Context, system: Mapping): Mapping {
  const config: Record<string, unknown> = {}
  for (const [name, keys] of Object.entries(sections)) {
    const section = system[name]
    if (!isMapping(section)) continue
    const read = { ...section, ...(name === 'accessTokens' ? keyOfFile(context, section) : {}) }
    const known = keys.filter((key) => read[key] !== undefined).map((key) => [key, hidden(key, read[key])])
    config[name] = Object.fromEntries(known)
  }
  return config
}

function keyOfFile(context: Context, tokens: Mapping): Mapping {
  const file = tokens['secretOrPrivateKeyFile']
  if (typeof file !== 'string') return {}
  const text = fileText(context, file, ['accessTokens', 'secretOrPrivateKeyFile'], context.system)
  return text === undefined ? {} : { secretOrPrivateKey: text }
}

function hidden(key: string, value: unknown): unknown {
  if (key === 'storeOptions') return new Secret(JSON.stringify(value))
  if (key !== 'secret' && key !== 'secretOrPrivateKey') return value
  if (Array.isArray(value)) return value.map((one: unknown) => hidden(key, one))
  return typeof value === 'string' ? new Secret(value) : value
}
