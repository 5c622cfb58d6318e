/** system.config and gateway.config with a plugin more or less; comments and layout stay. Effects: the two files. */
import { existsSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Document, isMap, isScalar, isSeq, parseDocument } from 'yaml'

export interface PluginEntry {
  readonly name: string
  readonly package: string
  readonly settings: Readonly<Record<string, unknown>>
}

export function readEntries(folder: string): readonly PluginEntry[] {
  const value: unknown = read(folder, 'system.config').document.toJS()
  const plugins = (value as { plugins?: Record<string, Record<string, unknown> | null> } | null)?.plugins ?? {}
  return Object.entries(plugins).map(([name, settings]) => {
    const said = settings?.['package']
    return { name, package: typeof said === 'string' ? said : name, settings: settings ?? {} }
  })
}

/** What the entry has besides stays. */
export function setPlugin(folder: string, name: string, settings: PluginEntry['settings']): void {
  change(folder, 'system.config', (document) => {
    if (!isMap(document.get('plugins', true) as unknown)) document.set('plugins', document.createNode({}))
    if (!isMap(document.getIn(['plugins', name], true))) document.setIn(['plugins', name], document.createNode({}))
    for (const [key, value] of Object.entries(settings)) document.setIn(['plugins', name, key], value)
    return true
  })
}

/** False: it was not there. */
export function removePlugin(folder: string, name: string): boolean {
  return change(
    folder,
    'system.config',
    (document) => isMap(document.get('plugins', true) as unknown) && document.deleteIn(['plugins', name]),
  )
}

export function addToWhitelist(folder: string, policies: readonly string[]): void {
  change(folder, 'gateway.config', (document) => {
    const list = document.get('policies', true) as unknown
    if (!isSeq(list)) {
      document.set('policies', document.createNode([...policies]))
      return true
    }
    const missing = policies.filter((name) => !list.items.some((item) => isScalar(item) && item.value === name))
    for (const name of missing) list.add(document.createNode(name))
    return missing.length > 0
  })
}

interface File {
  readonly path: string
  readonly document: Document
  readonly padded: boolean
}

function change(folder: string, name: string, edit: (document: Document) => boolean): boolean {
  const { path, document, padded } = read(folder, name)
  if (!edit(document)) return false
  const text = path.endsWith('.json')
    ? `${JSON.stringify(document.toJS(), undefined, 2)}\n`
    : document.toString({ lineWidth: 0, flowCollectionPadding: padded })
  writeFileSync(`${path}.new`, text)
  renameSync(`${path}.new`, path)
  return true
}

function read(folder: string, name: string): File {
  const path = [join(folder, `${name}.yml`), join(folder, `${name}.json`)].find(existsSync)
  if (path === undefined)
    throw new Error(`there is no ${name}.yml in ${folder}: EG_CONFIG_DIR says where the configuration is`)
  const text = readFileSync(path, 'utf8')
  const document = parseDocument(text, { version: '1.1', logLevel: 'silent' })
  if (document.errors.length > 0) throw new Error(`${path}: ${document.errors[0]?.message ?? 'it is not YAML'}`)
  if (document.contents === null) Object.assign(document, { contents: document.createNode({}) })
  return { path, document, padded: text.includes('{ ') }
}
