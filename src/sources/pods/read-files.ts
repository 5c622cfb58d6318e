/** A folder of YAML → worlds: what it holds now, and again after each change. Effect. */
import { readFileSync } from 'node:fs'
import { readdir, readFile } from 'node:fs/promises'
import { join, relative, resolve, sep } from 'node:path'
import { watchFolder } from '../../lib/watch/watch.ts'
import { parseYaml } from '../../lib/yaml/yaml.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Configuration, Configured, Environment, ReadText } from './environment.ts'
import { followConfiguration } from './read-configuration.ts'
import {
  keepObject,
  type NamespaceObject,
  type PodObject,
  type RoutedObject,
  type SecretObject,
  sourceName,
  type World,
} from './world.ts'

export async function* readFiles(folder: string, environment: Environment, signal: AbortSignal): AsyncGenerator<World> {
  const root = resolve(folder)
  let changed = true
  let wake: () => void = () => undefined
  const notice = (): void => {
    changed = true
    wake()
  }
  signal.addEventListener('abort', notice, { once: true })
  const configuration = await followConfiguration(environment, readTextFile, notice, signal)
  const watch = watchFolder(root, { signal })
  // watched first, then read: what changes in between is not missed
  await watch.ready
  void (async () => {
    for await (const change of watch) if (change.changed.some((path) => /\.(?:ya?ml|json)$/.test(path))) notice()
  })()
  for (;;) {
    if (!changed) await new Promise<void>((resolve) => (wake = resolve))
    if (signal.aborted) return
    changed = false
    yield await readFolder(root, configuration.now())
  }
}

async function readFolder(root: string, configured: Configured): Promise<World> {
  const texts: (readonly [string, string])[] = []
  const diagnostics: Diagnostic[] = []
  for (const file of await list(root)) {
    try {
      texts.push([file, await readFile(join(root, file), 'utf8')])
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      diagnostics.push({
        code: 'pods/unreadable',
        severity: 'error',
        message: `${file} cannot be read: ${why}`,
        origin: { source: sourceName, file },
      })
    }
  }
  const world = readTexts(texts, configured)
  return { ...world, diagnostics: [...diagnostics, ...world.diagnostics, ...whyNothing(root, world)] }
}

/** Whoever routes nothing from a folder has most often named another label or annotation than it holds. */
function whyNothing(root: string, { configured, namespaces, pods }: World): readonly Diagnostic[] {
  if (configured.kind === 'refused') return []
  const { selector, hostsAnnotation, pathsAnnotation } = configured.configuration
  const say = (message: string, variable: string): Diagnostic => ({
    code: 'pods/nothing-routed',
    severity: 'warning',
    message: `${message}: nothing is routed`,
    hint: `another one? it is what ${variable} says`,
    origin: { source: sourceName, object: root },
  })
  if (namespaces.length === 0)
    return [say(`no Namespace in ${root} has the label ${selector.text}`, 'ROUTABLE_LABEL_SELECTOR')]
  if (namespaces.every(({ hosts }) => hosts === undefined))
    return [say(`none of ${namespaces.length} Namespaces has the annotation ${hostsAnnotation}`, 'HOSTS_ANNOTATION')]
  if (pods.length > 0 && pods.every(({ paths }) => paths === undefined))
    return [say(`none of ${pods.length} Pods has the annotation ${pathsAnnotation}`, 'PATHS_ANNOTATION')]
  return []
}

/** Pure. Files in order; of an object that is there twice the last one stands. */
export function readTexts(texts: readonly (readonly [file: string, text: string])[], configured: Configured): World {
  if (configured.kind === 'refused') return collect([], configured, [])
  const diagnostics: Diagnostic[] = []
  const objects = new Map<string, RoutedObject>()
  for (const [file, text] of texts) {
    const { documents, mistakes } = parseYaml(text)
    for (const mistake of mistakes) {
      if (mistake.severity !== 'error') continue
      const { line, column, message } = mistake
      diagnostics.push({
        code: 'pods/yaml',
        severity: 'error',
        message: `${file}: ${message}`,
        origin: { source: sourceName, file, line, column },
      })
    }
    for (const document of documents) {
      for (const [value, path] of itemsOf(document.value)) {
        for (const object of keepAll(value, configured.configuration)) {
          const field = whereItRoutes(object, configured.configuration)
          const placed = { ...object, at: { file, ...document.at([...path, 'metadata', ...field]) } }
          objects.set(
            JSON.stringify([object.kind, object.kind === 'Namespace' ? '' : object.namespace, object.name]),
            placed,
          )
        }
      }
    }
  }
  return collect([...objects.values()], configured, diagnostics)
}

/** What is said of an object is said of its annotation, if it has one. */
function whereItRoutes(object: RoutedObject, configuration: Configuration): readonly string[] {
  if (object.kind === 'Namespace' && object.hosts !== undefined) return ['annotations', configuration.hostsAnnotation]
  if (object.kind === 'Pod' && object.paths !== undefined) return ['annotations', configuration.pathsAnnotation]
  return ['name']
}

/** What is kept of one value that may be a Kubernetes object: one, or none. */
export function keepAll(value: unknown, configuration: Configuration): readonly RoutedObject[] {
  const kind = kindOf(value)
  const kept = kind === undefined ? undefined : keepObject(value, kind, configuration)
  return kept === undefined ? [] : [kept]
}

/** Sorted as a server lists them. A Secret of a namespace that is not routed is not read. */
export function collect(
  objects: readonly RoutedObject[],
  configured: Configured,
  diagnostics: readonly Diagnostic[],
): World {
  const key = (object: RoutedObject): string =>
    object.kind === 'Namespace' ? object.name : `${object.namespace}\u0000${object.name}`
  const sorted = [...objects].sort((a, b) => (key(a) < key(b) ? -1 : key(a) > key(b) ? 1 : 0))
  const namespaces = sorted.filter((one): one is NamespaceObject => one.kind === 'Namespace')
  const routed = new Set(namespaces.map(({ name }) => name))
  return {
    configured,
    namespaces,
    pods: sorted.filter((one): one is PodObject => one.kind === 'Pod'),
    secrets: sorted.filter((one): one is SecretObject => one.kind === 'Secret' && routed.has(one.namespace)),
    unknownSecrets: [],
    diagnostics,
  }
}

/** Does a file of this folder hold Namespaces and Pods that say something about routing? */
export async function recogniseFolder(folder: string): Promise<boolean> {
  const root = resolve(folder)
  for (const file of await list(root)) {
    const text = await readFile(join(root, file), 'utf8').catch(() => '')
    if (
      /^\s*"?kind"?:\s*["']?(?:Namespace|Pod)\b/m.test(text) &&
      /github\.com\/30x\.dispatcher\.|dispatcher\.(?:hosts|paths)/.test(text)
    )
      return true
  }
  return false
}

export const readTextFile: ReadText = (path) => {
  try {
    return readFileSync(path, 'utf8')
  } catch (error) {
    return error instanceof Error ? error : new Error(String(error))
  }
}

/** A document, or what a List holds. */
function itemsOf(value: unknown): readonly (readonly [value: unknown, path: readonly (string | number)[]])[] {
  if (
    kindOf(value)?.endsWith('List') === true &&
    typeof value === 'object' &&
    value !== null &&
    'items' in value &&
    Array.isArray(value.items)
  )
    return (value.items as readonly unknown[]).map((item, index) => [item, ['items', index]])
  return [[value, []]]
}

function kindOf(value: unknown): string | undefined {
  return typeof value === 'object' && value !== null && 'kind' in value && typeof value.kind === 'string'
    ? value.kind
    : undefined
}

/** By relative path with `/`; hidden ones and node_modules are left alone. */
async function list(root: string): Promise<readonly string[]> {
  const files: string[] = []
  const visit = async (folder: string): Promise<void> => {
    for (const entry of await readdir(folder, { withFileTypes: true }).catch(() => [])) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await visit(path)
      else if (/\.(?:ya?ml|json)$/.test(entry.name)) files.push(relative(root, path).split(sep).join('/'))
    }
  }
  await visit(root)
  return files.sort()
}
