/** system.config, models and the admin section → what the process around the engine is asked for. Pure. */
import type { PluginWish, StoreWish, Wishes } from '../source.ts'
import { defaultModels, kargoModels } from './models.ts'
import { isMapping, textOf, type Mapping, type Pipeline } from './normalise.ts'
import { complain, fileText, type Context } from './report.ts'
import type { Schema } from './schemas.ts'
import { kargoPlugins, modelNames, type ModelName, type TextFile } from './world.ts'

export interface WishesInput {
  readonly gateway: Mapping
  readonly system: Mapping
  readonly pipelines: readonly Pipeline[]
  readonly plugins: readonly PluginWish[]
  /** Consumers come from Kargo's consumers.config.js. */
  readonly populated: boolean
}

export function translateWishes(context: Context, input: WishesInput): Wishes {
  const { system } = input
  const admin = adminOf(context, input.gateway)
  return {
    store: storeOf(system),
    plugins: input.plugins,
    ...(admin === undefined ? {} : { admin }),
    expressGateway: {
      folder: context.world.folder,
      gatewayConfig: plainGateway(input.gateway, input.pipelines),
      systemConfig: system,
      models: Object.fromEntries(
        modelNames.map((name) => [name, modelOf(context, name, input.populated ? kargoModels : defaultModels)]),
      ),
    },
  }
}

function adminOf(context: Context, gateway: Mapping): { readonly address: string; readonly port: number } | undefined {
  const { admin } = gateway
  if (!isMapping(admin)) return undefined
  const port = admin['port']
  if (typeof port !== 'number') return undefined
  if (!Number.isInteger(port) || port < 0 || port > 65535) {
    complain(context, ['admin', 'port'], {
      code: 'port',
      severity: 'error',
      message: `admin.port: ${port} is not a port`,
      hint: 'a number from 1 to 65535; 0 lets the system choose',
    })
    return undefined
  }
  if (typeof admin['hostname'] === 'string') {
    complain(context, ['admin', 'hostname'], {
      code: 'deprecated',
      severity: 'info',
      message: 'admin.hostname is deprecated',
      hint: 'write admin.host',
    })
    return { address: admin['hostname'], port }
  }
  return { address: textOf(admin['host'], 'localhost'), port }
}

function storeOf(system: Mapping): StoreWish {
  const db = isMapping(system['db']) ? system['db'] : {}
  const redis = isMapping(db['redis']) ? db['redis'] : undefined
  const crypto = isMapping(system['crypto']) ? system['crypto'] : {}
  const tokens = Object.fromEntries(
    ['accessTokens', 'refreshTokens', 'authorizationCodes', 'session'].flatMap((key) =>
      isMapping(system[key]) ? [[key, system[key]]] : [],
    ),
  )
  const common = {
    namespace: typeof redis?.['namespace'] === 'string' ? redis['namespace'] : 'EG',
    crypto: {
      cipherKey: textOf(crypto['cipherKey'], 'sensitiveKey'),
      algorithm: textOf(crypto['algorithm'], 'aes256'),
      saltRounds: Number(crypto['saltRounds'] ?? 10),
    },
    tokens,
  }
  if (redis === undefined) return { kind: 'embedded', ...common }
  const { emulate, namespace: _namespace, ...options } = redis
  // emulation is a promise to keep nothing: tests and demonstrations count on a fresh start
  return emulate === true ? { kind: 'memory', ...common } : { kind: 'redis', redis: options, ...common }
}

/** File names become what stands in the files: keys of the token issuer, TLS of Redis. */
export function withFiles(context: Context, system: Mapping): Mapping {
  const result: Record<string, unknown> = { ...system }
  const tokens = system['accessTokens']
  if (isMapping(tokens) && typeof tokens['secretOrPrivateKeyFile'] === 'string') {
    const text = fileText(
      context,
      tokens['secretOrPrivateKeyFile'],
      ['accessTokens', 'secretOrPrivateKeyFile'],
      context.system,
    )
    if (text !== undefined) result['accessTokens'] = { ...tokens, secretOrPrivateKey: text }
  }
  const db = system['db']
  const redis = isMapping(db) && isMapping(db['redis']) ? db['redis'] : undefined
  const tls = redis?.['tls']
  if (isMapping(db) && redis !== undefined && isMapping(tls)) {
    const { keyFile, certFile, caFile, ...rest } = tls
    const material: Record<string, unknown> = { ...rest }
    for (const [name, file] of Object.entries({ key: keyFile, cert: certFile, ca: caFile })) {
      if (typeof file !== 'string') continue
      const text = fileText(context, file, ['db', 'redis', 'tls', `${name}File`], context.system)
      if (text !== undefined) material[name] = text
    }
    result['db'] = { ...db, redis: { ...redis, tls: material } }
  }
  return result
}

function modelOf(context: Context, name: ModelName, defaults: Readonly<Record<ModelName, Schema>>): Schema {
  const file = context.world.models[name]
  if (file.kind === 'missing') return defaults[name]
  return parseModel(context, file) ?? defaults[name]
}

function parseModel(context: Context, file: TextFile): Schema | undefined {
  let reason = file.kind === 'unreadable' ? file.reason : 'it is not a JSON schema'
  if (file.kind === 'text') {
    try {
      const value: unknown = JSON.parse(file.text)
      if (isMapping(value)) return value
    } catch (error) {
      reason = error instanceof Error ? error.message : String(error)
    }
  }
  context.diagnostics.push({
    code: 'express-gateway/model',
    severity: 'error',
    message: `${file.name} cannot be used: ${reason}`,
    hint: 'a JSON schema with the properties of the model',
    origin: { source: 'express-gateway', file: file.name, line: 1 },
  })
  return undefined
}

// --- plugins ---------------------------------------------------------------------------------------------------------

export interface Plugins {
  /** To be loaded, or to come true as parts of the gateway. */
  readonly wishes: readonly PluginWish[]
  /** Is there one among them that is not built in, and may bring policies, conditions and routes? */
  readonly foreign: boolean
  /** Name of a policy that a plugin would bring → our policy that does the same. */
  readonly builtIn: Readonly<Record<string, string>>
  /** Paths that answer whether the gateway lives. */
  readonly healthchecks: readonly string[]
  readonly populated: boolean
}

/**
 * The plugins that Gantry has built in are recognised by the package that everybody loads them from; somebody's own
 * plugin of the same name is loaded as any other.
 */
export function pluginsOf(context: Context, system: Mapping): Plugins {
  const wishes: PluginWish[] = []
  const builtIn: Record<string, string> = {}
  const healthchecks: string[] = []
  let foreign = false
  let populated = false
  const given = isMapping(system['plugins']) ? system['plugins'] : {}
  for (const [name, settings] of Object.entries(given)) {
    const own = isMapping(settings) ? settings : {}
    const file = typeof own['package'] === 'string' ? own['package'] : undefined
    if ((file ?? name).replace(/^express-gateway-plugin-/, '') === 'rewrite') {
      builtIn['rewrite'] = 'rewrite'
      continue
    }
    wishes.push({ name, ...(file === undefined ? {} : { package: file }), settings: own, from: context.world.folder })
    if (!isKargo(context, name, file)) {
      foreign = true
      continue
    }
    if (name === 'populate') populated = true
    if (name === 'scopes') builtIn['scopes'] = 'scopes'
    if (name === 'metrics') builtIn['metrics'] = 'metrics-label'
    if (name === 'healthcheck') {
      healthchecks.push(typeof own['endpointName'] === 'string' ? own['endpointName'] : '/healthcheck')
    }
  }
  return { wishes, foreign, builtIn, healthchecks, populated }
}

function isKargo(context: Context, name: string, file: string | undefined): boolean {
  if (!kargoPlugins.some((known) => known === name) || file === undefined) return false
  return (
    new RegExp(`^\\./plugins/${name}(?:\\.js|/index\\.js|/)?$`).test(file) && !context.world.ownPlugins.includes(name)
  )
}

/** As the Admin API and plugins see it: one spelling, lists as lists. */
function plainGateway(gateway: Mapping, pipelines: readonly Pipeline[]): Mapping {
  const { pipeline: _pipeline, apiEndpoint, ...rest } = gateway
  return {
    ...rest,
    apiEndpoints: gateway['apiEndpoints'] ?? apiEndpoint ?? {},
    serviceEndpoints: gateway['serviceEndpoints'] ?? {},
    policies: gateway['policies'] ?? [],
    pipelines: Object.fromEntries(
      pipelines.map((pipeline) => [
        pipeline.name,
        {
          ...pipeline.definition,
          apiEndpoints: pipeline.apiEndpoints,
          policies: pipeline.items.map((item) => ({
            [item.policy]: item.steps.map(({ condition, action }) => ({
              ...(condition === undefined ? {} : { condition }),
              action,
            })),
          })),
        },
      ]),
    ),
  }
}
