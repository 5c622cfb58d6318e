/** The environment and the project around → where the Admin API is, what the models ask for. Reads files, and no more than needed. */
import { existsSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'

type Mapping = Readonly<Record<string, unknown>>

/** The nearest folder upwards with .yo-rc.json, else where we are. */
export function projectRoot(start: string = process.cwd()): string {
  for (let folder = start; ; folder = dirname(folder)) {
    if (existsSync(join(folder, '.yo-rc.json'))) return folder
    if (dirname(folder) === folder) return start
  }
}

/** Where the configuration is: EG_CONFIG_DIR, the project's config folder, or the project itself. */
export function configFolder(environment: NodeJS.ProcessEnv): string {
  const said = environment['EG_CONFIG_DIR']
  if (said !== undefined && said !== '') return said
  const root = projectRoot()
  return existsSync(join(root, 'config')) ? join(root, 'config') : root
}

export async function adminSettings(
  environment: NodeJS.ProcessEnv,
): Promise<{ readonly url: string; readonly verbose: boolean }> {
  const said = environment['EG_ADMIN_URL']
  // the usual way of scripts: no file is read
  if (said !== undefined && said !== '') return { url: said.replace(/\/$/, ''), verbose: false }
  const folder = configFolder(environment)
  const cli = mapping((await readYaml(folder, 'system.config', environment))['cli'])
  const url = typeof cli['url'] === 'string' ? cli['url'] : await urlOfGateway(folder, environment)
  return { url: url.replace(/\/$/, ''), verbose: cli['verbose'] === true }
}

async function urlOfGateway(folder: string, environment: NodeJS.ProcessEnv): Promise<string> {
  const admin = mapping((await readYaml(folder, 'gateway.config', environment))['admin'])
  const [host = 'localhost'] = [admin['hostname'], admin['host']].filter((name) => typeof name === 'string')
  const reachable = host === '0.0.0.0' || host === '::' ? 'localhost' : host
  return `http://${reachable.includes(':') ? `[${reachable}]` : reachable}:${Number(admin['port'] ?? 9876)}`
}

/** What is not there or not YAML is nothing here: `gantry check` says what is wrong with it. */
async function readYaml(folder: string, name: string, environment: NodeJS.ProcessEnv): Promise<Mapping> {
  const path = [join(folder, `${name}.yml`), join(folder, `${name}.json`)].find(existsSync)
  if (path === undefined) return {}
  const { parse } = await import('yaml')
  const text = readFileSync(path, 'utf8').replaceAll(
    /\$?\$\{(\w+)(?::-([^}]*))?\}/g,
    (whole, key: string, fallback?: string) =>
      whole.startsWith('$$') ? whole : (environment[key] ?? (fallback || 'null')),
  )
  try {
    return mapping(parse(text, { version: '1.1', logLevel: 'silent', uniqueKeys: false }))
  } catch {
    return {}
  }
}

export interface ModelProperty {
  readonly name: string
  readonly required: boolean
  readonly isMutable: boolean
}

/** Of the folder's own model, or of the one that comes with us. */
export function modelProperties(
  environment: NodeJS.ProcessEnv,
  name: 'users' | 'applications',
): readonly ModelProperty[] {
  const own = join(configFolder(environment), 'models', `${name}.json`)
  const path = existsSync(own) ? own : new URL(`../../../examples/express-gateway/models/${name}.json`, import.meta.url)
  const schema = mapping(JSON.parse(readFileSync(path, 'utf8')))
  const required = Array.isArray(schema['required']) ? (schema['required'] as unknown[]) : []
  return Object.entries(mapping(schema['properties'])).map(([property, details]) => ({
    name: property,
    required: required.includes(property),
    isMutable: mapping(details)['isMutable'] !== false,
  }))
}

function mapping(value: unknown): Mapping {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Mapping) : {}
}
