/** system.config → the configuration of the policy `oauth2-server`: its sections, with what stands in the key file. Pure. */
import { isMapping, type Mapping } from './normalise.ts'
import { type Context, fileText } from './report.ts'

export function oauth2ServerConfig(context: Context, system: Mapping): Mapping {
  const sections = ['session', 'accessTokens', 'refreshTokens', 'authorizationCodes']
  const config: Record<string, unknown> = { folder: context.world.folder }
  for (const name of sections) if (isMapping(system[name])) config[name] = system[name]
  const tokens = config['accessTokens']
  if (isMapping(tokens) && typeof tokens['secretOrPrivateKeyFile'] === 'string') {
    const path = ['accessTokens', 'secretOrPrivateKeyFile']
    const text = fileText(context, tokens['secretOrPrivateKeyFile'], path, context.system)
    if (text !== undefined) config['accessTokens'] = { ...tokens, secretOrPrivateKey: text }
  }
  return config
}
