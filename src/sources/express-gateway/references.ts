/** Configuration files → which other files and documents they name. Pure. */
import { parseFile } from './document.ts'
import { isMapping, type Mapping } from './normalise.ts'
import type { TextFile, World } from './world.ts'

/** Keys whose text is the name of a file, wherever they stand in gateway.config or system.config. */
const fileKeys = new Set(['secretOrPublicKeyFile', 'secretOrPrivateKeyFile', 'keyFile', 'certFile', 'caFile'])

/** As written, each once, in order. */
export function referencedFiles(world: Pick<World, 'gateway' | 'system' | 'environment'>): readonly string[] {
  return [...new Set([world.gateway, world.system].flatMap((file) => namesIn(file, world.environment)))]
}

/** A file that has not changed is looked at every few seconds, and is not parsed for that. */
const known = new WeakMap<TextFile, { readonly environment: World['environment']; readonly names: readonly string[] }>()

function namesIn(file: TextFile, environment: World['environment']): readonly string[] {
  if (file.kind !== 'text') return []
  const before = known.get(file)
  if (before?.environment === environment) return before.names
  const found = new Set<string>()
  const { value } = parseFile(file, environment)
  collect(value, found)
  if (isMapping(value)) collectTls(value, found)
  const names = [...found]
  known.set(file, { environment, names })
  return names
}

function collect(value: unknown, names: Set<string>): void {
  if (Array.isArray(value)) for (const part of value) collect(part, names)
  if (!isMapping(value)) return
  for (const [key, part] of Object.entries(value)) {
    if (fileKeys.has(key) && typeof part === 'string') names.add(part)
    else collect(part, names)
  }
}

function collectTls(config: Mapping, names: Set<string>): void {
  const https = config['https']
  if (!isMapping(https) || !isMapping(https['tls'])) return
  for (const entry of Object.values(https['tls'])) {
    if (!isMapping(entry)) continue
    for (const part of [
      entry['key'],
      entry['cert'],
      ...(Array.isArray(entry['ca']) ? (entry['ca'] as unknown[]) : []),
    ]) {
      if (typeof part === 'string') names.add(part)
    }
  }
}

// --- schemas elsewhere -----------------------------------------------------------------------------------------------

/** URLs of all documents that the schemas of `json-schema` conditions refer to, and those refer to, as far as they are there. */
export function referencedSchemas(
  world: Pick<World, 'gateway' | 'environment'>,
  files: Readonly<Record<string, TextFile>>,
): readonly string[] {
  // parsing is what costs here
  if (world.gateway.kind !== 'text' || !world.gateway.text.includes('json-schema')) return []
  const urls = new Set<string>()
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look)
    if (!isMapping(value)) return
    if (value['name'] === 'json-schema' && isMapping(value['schema'])) {
      for (const url of remoteReferences(value['schema'], files)) urls.add(url)
    }
    Object.values(value).forEach(look)
  }
  look(parseFile(world.gateway, world.environment).value)
  return [...urls]
}

/** More than so many documents are no schema any more. */
const MOST = 64

/** Without fragments, each once; what the schema has under that name itself is not elsewhere. */
export function remoteReferences(schema: Mapping, files: Readonly<Record<string, TextFile>>): readonly string[] {
  const found = new Set<string>()
  const look = (value: unknown, base: string | undefined, own: ReadonlySet<string>): void => {
    if (Array.isArray(value)) for (const part of value) look(part, base, own)
    if (!isMapping(value)) return
    const { $ref: reference } = value
    if (typeof reference === 'string') add(reference, base, own)
    for (const part of Object.values(value)) look(part, base, own)
  }
  const add = (reference: string, base: string | undefined, own: ReadonlySet<string>): void => {
    const url = absolute(reference, base)
    if (url === undefined || own.has(url) || url === base || found.has(url) || found.size >= MOST) return
    if (url.startsWith('http://json-schema.org/') || url.startsWith('https://json-schema.org/')) return
    found.add(url)
    const file = files[url]
    if (file?.kind !== 'text') return
    const document = parsed(file.text)
    look(document, idOf(document) ?? url, idsOf(document))
  }
  look(schema, idOf(schema), idsOf(schema))
  return [...found]
}

function idOf(schema: unknown): string | undefined {
  const id = isMapping(schema) ? schema['$id'] : undefined
  return typeof id === 'string' ? absolute(id, undefined) : undefined
}

/** An http(s) URL without its fragment; undefined for what is none. */
function absolute(reference: string, base: string | undefined): string | undefined {
  try {
    const url = new URL(reference, base)
    url.hash = ''
    return url.protocol === 'http:' || url.protocol === 'https:' ? url.href : undefined
  } catch {
    return undefined
  }
}

function idsOf(schema: unknown): ReadonlySet<string> {
  const ids = new Set<string>()
  const look = (value: unknown): void => {
    if (Array.isArray(value)) value.forEach(look)
    if (!isMapping(value)) return
    const { $id: id } = value
    const url = typeof id === 'string' ? absolute(id, undefined) : undefined
    if (url !== undefined) ids.add(url)
    Object.values(value).forEach(look)
  }
  look(schema)
  return ids
}

/** Undefined for what is no JSON; who uses the document says so. */
function parsed(text: string): unknown {
  try {
    return JSON.parse(text) as unknown
  } catch {
    return undefined
  }
}
