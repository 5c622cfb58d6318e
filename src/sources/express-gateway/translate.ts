/** An Express Gateway folder, as read → model, diagnostics, wishes. Pure. */
import { hasErrors, type Diagnostic } from '../../model/diagnostic.ts'
import { emptyModel, type Model, type PolicyUse } from '../../model/model.ts'
import type { Translation } from '../source.ts'
import { forgetFile, parseFile, type Document, type Path } from './document.ts'
import { translateListeners } from './listeners.ts'
import { apiEndpointsOf, isMapping, listOf, pipelinesOf, serviceEndpointsOf, type Mapping } from './normalise.ts'
import { proxyVariable, type Proxies } from './proxy.ts'
import { nearestWord } from '../../lib/yaml/words.ts'
import { complain, complainSystem, type Complaint, type Context } from './report.ts'
import { translateRoutes } from './routes.ts'
import { gatewaySchema, knownKeys, openKeys, systemSchema } from './schemas.ts'
import { validate, type Issue } from './validate.ts'
import { oauth2ServerConfig } from './oauth2-server.ts'
import { pluginsOf, translateWishes, withFiles, type Plugins } from './wishes.ts'
import type { World } from './world.ts'

const translations = new WeakMap<World, Translation>()

export function translate(world: World): Translation {
  let translation = translations.get(world)
  if (translation === undefined) {
    translation = translateFresh(world)
    forgetFile(world.gateway)
    forgetFile(world.system)
    translations.set(world, translation)
  }
  return translation
}

function translateFresh(world: World): Translation {
  const gateway = parseFile(world.gateway, world.environment)
  const system = parseSystem(world)
  const context: Context = { world, gateway, system, diagnostics: [...gateway.diagnostics, ...system.diagnostics] }
  if (hasErrors(context.diagnostics)) return refused(context)

  const config = validated(context, gateway, gatewaySchema, complain)
  const systemWritten = validated(context, system, systemSchema, complainSystem)
  if (config === undefined || systemWritten === undefined) return refused(context)
  const systemConfig = withFiles(context, systemWritten)
  reportKeys(context, config)

  const plugins = pluginsOf(context, systemConfig)
  const whitelist = new Set(listOf(config['policies']).map(String))
  const { listeners, certificates } = translateListeners(
    context,
    config,
    listenerPolicies(context, systemConfig, whitelist, plugins),
  )
  const proxies: Proxies = {
    services: serviceEndpointsOf(config),
    backends: new Map(),
    endpoints: new Map(),
    certificates: new Map(),
  }
  const pipelines = pipelinesOf(config)
  const routes = translateRoutes(context, {
    apiEndpoints: apiEndpointsOf(config),
    pipelines,
    whitelist,
    listeners: listeners.map((listener) => listener.id),
    proxies,
    system: systemConfig,
    plugins: plugins.foreign,
    builtIn: plugins.builtIn,
  })
  reportProxies(context, proxies)
  reportStore(context, systemWritten, whitelist)
  const wishes = translateWishes(context, {
    gateway: config,
    system: systemConfig,
    pipelines,
    plugins: plugins.wishes,
    populated: plugins.populated,
  })
  const model: Model = {
    ...emptyModel,
    listeners,
    routes,
    backends: [...proxies.backends.values()],
    endpoints: [...proxies.endpoints.values()],
    certificates: [...certificates, ...proxies.certificates.values()],
  }
  const diagnostics = once(context.diagnostics)
  return { model, diagnostics, statuses: [], wishes, ...(hasErrors(diagnostics) ? { refused: true } : {}) }
}

/** What the environment says changes every service, and `no_proxy` changes nothing: both are worth a word. No value is said: it may hold a password. */
function reportProxies(context: Context, { backends }: Proxies): void {
  const { environment } = context.world
  const variable = proxyVariable(environment)
  if (variable !== undefined && backends.size > 0) {
    context.diagnostics.push({
      code: 'express-gateway/http-proxy',
      severity: 'info',
      message: `${variable} is set: all services are reached through that proxy, as with Express Gateway`,
      hint: 'unset it for the gateway where they should be reached directly',
    })
  }
  const except = ['no_proxy', 'NO_PROXY'].find((one) => (environment[one] ?? '') !== '')
  if (except !== undefined && [...backends.values()].some((backend) => backend.via !== undefined)) {
    context.diagnostics.push({
      code: 'express-gateway/no-proxy',
      severity: 'warning',
      message: `${except} is set, and has no effect, as with Express Gateway: no service is excepted from the proxy`,
      hint: `unset ${variable ?? 'http_proxy'}, and write proxyUrl at the services that need the proxy`,
    })
  }
}

/** What the defaults of the store cost, said once and where it is written. */
function reportStore(context: Context, system: Mapping, whitelist: ReadonlySet<string>): void {
  const db = isMapping(system['db']) ? system['db'] : {}
  const redis = isMapping(db['redis']) ? db['redis'] : {}
  if (redis['emulate'] === true) {
    complainSystem(context, ['db', 'redis', 'emulate'], {
      code: 'emulated',
      severity: 'info',
      message: 'db.redis.emulate: users, credentials and tokens are in memory, and lost at each restart',
      hint: 'without db.redis they are kept in the folder .gantry; with host and port, in that Redis',
    })
    return
  }
  const crypto = isMapping(system['crypto']) ? system['crypto'] : {}
  if (!whitelist.has('oauth2') || crypto['cipherKey'] !== 'sensitiveKey') return
  complainSystem(context, ['crypto', 'cipherKey'], {
    code: 'default-cipher-key',
    severity: 'warning',
    message: 'crypto.cipherKey is the one that everybody knows: who can read the store can read every token in it',
    hint: 'crypto: { cipherKey: ${EG_CIPHER_KEY} } in system.config; tokens that are out by then have to be issued anew',
  })
}

function refused(context: Context): Translation {
  return { model: emptyModel, diagnostics: once(context.diagnostics), statuses: [], refused: true }
}

/** A folder without system.config runs with the defaults of everything. */
function parseSystem(world: World): Document {
  if (world.system.kind !== 'missing') return parseFile(world.system, world.environment)
  return { ...parseFile({ ...world.system, kind: 'text', text: '{}' }, world.environment), diagnostics: [] }
}

function validated(
  context: Context,
  document: Document,
  schema: Mapping,
  say: (context: Context, path: Path, complaint: Complaint) => void,
): Mapping | undefined {
  const { value, issues: all } = validate(schema, document.value)
  const issues = all.filter((issue) => !isAliased(value, issue))
  for (const issue of issues) {
    say(context, issue.path, {
      code: 'schema',
      severity: 'error',
      message: `${document.file}${pointer(issue.path)} ${issue.message}`,
      hint: issue.hint,
    })
  }
  return isMapping(value) && issues.length === 0 ? value : undefined
}

/** `policy` stands for `policies`. */
function isAliased(value: unknown, { path, message }: Issue): boolean {
  if (message !== "should have required property 'policies'") return false
  let place: unknown = value
  for (const part of path) place = isMapping(place) ? place[part] : undefined
  return isMapping(place) && place['policy'] !== undefined
}

function pointer(path: Path): string {
  return path.length === 0 ? '' : ` ${path.map(String).join('.')}`
}

/** Before every route, in this order: who is nobody yet is called nothing, then what answers for the gateway itself. */
function listenerPolicies(
  context: Context,
  system: Mapping,
  whitelist: ReadonlySet<string>,
  plugins: Plugins,
): readonly PolicyUse[] {
  const uses: PolicyUse[] = [
    { policy: 'strip-identity', config: { headers: ['eg-consumer-id'] }, origin: context.gateway.origin([]) },
  ]
  for (const path of plugins.healthchecks) {
    uses.push({ policy: 'healthcheck', config: { path }, origin: context.system.origin(['plugins', 'healthcheck']) })
  }
  if (whitelist.has('oauth2')) {
    uses.push({
      policy: 'oauth2-server',
      config: oauth2ServerConfig(context, system),
      origin: context.gateway.origin(['policies']),
    })
  }
  if (plugins.foreign) {
    uses.push({ policy: 'plugin-routes', config: {}, origin: context.system.origin(['plugins']) })
  }
  return uses
}

// --- keys ------------------------------------------------------------------------------------------------------------

/** Unknown keys are legal in Express Gateway; they are said all the same, since nobody reads them. */
function reportKeys(context: Context, config: Mapping): void {
  for (const [place, known] of Object.entries(knownKeys)) {
    for (const [path, mapping] of placesOf(config, place)) {
      for (const key of Object.keys(mapping)) {
        if (known.includes(key)) continue
        const guess = nearestWord(key, known)
        const where = path.length === 0 ? '' : ` in ${path.join('.')}`
        complain(context, [...path, key], {
          code: 'unknown-key',
          severity: 'warning',
          message: `nobody reads the key ${key}${where}`,
          hint: guess === undefined ? `known are ${known.join(', ')}` : `did you mean ${guess}?`,
        })
      }
    }
  }
  for (const [place, known] of Object.entries(openKeys)) {
    for (const [path, mapping] of placesOf(config, place)) {
      for (const key of Object.keys(mapping)) {
        const guess = known.includes(key) ? undefined : nearestWord(key, known)
        if (guess === undefined) continue
        complain(context, [...path, key], {
          code: 'unknown-key',
          severity: 'warning',
          message: `${path.join('.')} has a property ${key} of its own, which changes nothing`,
          hint: `did you mean ${guess}?`,
        })
      }
    }
  }
}

function placesOf(config: Mapping, place: string): readonly (readonly [Path, Mapping])[] {
  let found: (readonly [Path, unknown])[] = [[[], config]]
  for (const part of place === '' ? [] : place.split('.')) {
    found = found.flatMap(([path, value]): (readonly [Path, unknown])[] => {
      if (part === '#')
        return Array.isArray(value) ? value.map((one: unknown, at) => [[...path, at], one] as const) : []
      if (part !== '*') return isMapping(value) ? [[[...path, part], value[part]]] : []
      return isMapping(value) ? Object.entries(value).map(([key, one]) => [[...path, key], one] as const) : []
    })
  }
  return found.filter((entry): entry is [Path, Mapping] => isMapping(entry[1]))
}

/** A pipeline that serves many routes is looked at for each of them; its mistakes are said once. */
function once(diagnostics: readonly Diagnostic[]): readonly Diagnostic[] {
  const seen = new Set<string>()
  return diagnostics.filter((diagnostic) => {
    const key = JSON.stringify([diagnostic.code, diagnostic.message, diagnostic.origin])
    if (seen.has(key)) return false
    seen.add(key)
    return true
  })
}
