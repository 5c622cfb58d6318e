/** A folder → worlds: what it holds now, and again after each change of it or of a file that it names. Effect. */
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, resolve } from 'node:path'
import type { Place } from '../source.ts'
import { watchFolders } from './changes.ts'
import { createDownload, type Download } from './download.ts'
import { referencedFiles, referencedSchemas } from './references.ts'
import { kargoPlugins, modelNames, type ModelName, type TextFile, type World } from './world.ts'

/**
 * With EG_DISABLE_CONFIG_WATCH set to anything, once. A file that vanished or cannot be read is in the world as such.
 * Two worlds that follow each other are never the same.
 */
export async function* read(place: Place, signal: AbortSignal): AsyncGenerator<World> {
  if (place.kind !== 'folder') throw new Error('Express Gateway is read from a folder')
  const folder = resolve(place.path)
  const download = createDownload()
  let world = await readWorld(folder, place.environment, { download })
  yield world
  if ((place.environment['EG_DISABLE_CONFIG_WATCH'] ?? '') !== '') return
  const polling = (place.environment['CHOKIDAR_USEPOLLING'] ?? '') !== ''
  while (!signal.aborted) {
    const folders = foldersOf(world)
    const changes = watchFolders(folders, signal, { stillMs: 50, pollMs: polling ? 500 : 2000 })
    try {
      // watched first, then read: what changed in between is not missed
      for (let tick = true; tick; tick = await next(changes.ticks)) {
        const again = await readWorld(folder, place.environment, { download, before: world })
        if (same(world, again)) continue
        world = again
        yield world
        if (!equalLists(foldersOf(world), folders)) break
      }
    } finally {
      changes.close()
    }
  }
}

async function next(ticks: AsyncIterator<void>): Promise<boolean> {
  return (await ticks.next()).done !== true
}

/** Does this folder hold an Express Gateway configuration? */
export async function recognise(folder: string): Promise<boolean> {
  for (const name of ['gateway.config.yml', 'gateway.config.json']) {
    const found = await stat(join(folder, name)).catch(() => undefined)
    if (found?.isFile() === true) return true
  }
  return false
}

export interface ReadOptions {
  /** As if gateway.config held that. */
  readonly gateway?: string
  /** Remembers what was downloaded before. */
  readonly download?: Download
  /** Its files stand for those that say the same now, with all that is remembered of them. */
  readonly before?: World
}

export async function readWorld(
  folder: string,
  environment: World['environment'],
  { gateway: instead, download = createDownload(), before }: ReadOptions = {},
): Promise<World> {
  const [found, foundSystem, users, applications, credentials] = await Promise.all([
    readConfig(folder, 'gateway.config'),
    readConfig(folder, 'system.config'),
    ...modelNames.map((name) => readText(join(folder, 'models', `${name}.json`), `models/${name}.json`)),
  ])
  if (found === undefined || foundSystem === undefined) throw new Error('a file was not read')
  const written: TextFile = instead === undefined ? found : { kind: 'text', name: found.name, text: instead }
  const gateway = before !== undefined && sameFile(before.gateway, written) ? before.gateway : written
  const system = before !== undefined && sameFile(before.system, foundSystem) ? before.system : foundSystem
  const missing = (name: ModelName): TextFile => ({ kind: 'missing', name: `models/${name}.json` })
  const models: World['models'] = {
    users: users ?? missing('users'),
    applications: applications ?? missing('applications'),
    credentials: credentials ?? missing('credentials'),
  }
  const names = referencedFiles({ gateway, system, environment })
  const files = await Promise.all(names.map(async (name) => [name, await readNamed(folder, name)] as const))
  const schemas = await readSchemas({ gateway, environment }, download)
  const ownPlugins = await Promise.all(
    kargoPlugins.map(async (name) => ((await hasPlugin(folder, name)) ? [name] : [])),
  )
  return {
    folder,
    environment,
    gateway,
    system,
    models,
    files: { ...Object.fromEntries(files), ...schemas },
    ownPlugins: ownPlugins.flat(),
    consumers: await readConsumerFiles(folder),
  }
}

/** Of a document it is known only when it is there what it refers to in turn. */
async function readSchemas(
  world: Pick<World, 'gateway' | 'environment'>,
  download: Download,
): Promise<Readonly<Record<string, TextFile>>> {
  let files: Readonly<Record<string, TextFile>> = {}
  for (;;) {
    const missing = referencedSchemas(world, files).filter((url) => files[url] === undefined)
    if (missing.length === 0) return files
    const found = await Promise.all(missing.map(async (url) => [url, await download(url)] as const))
    files = { ...files, ...Object.fromEntries(found) }
  }
}

async function readConsumerFiles(folder: string): Promise<readonly TextFile[]> {
  // a folder that is not there says so by the files that it lacks
  const names = await readdir(folder).catch(() => [])
  const found = names.filter((name) => /^consumers\.config\.(json|[cm]?js)$/.test(name)).toSorted()
  return Promise.all(found.map((name) => readText(join(folder, name), name)))
}

async function hasPlugin(folder: string, name: string): Promise<boolean> {
  for (const file of [`${name}.js`, join(name, 'index.js')]) {
    if ((await stat(join(folder, 'plugins', file)).catch(() => undefined)) !== undefined) return true
  }
  return false
}

/** `.yml` is tried first, then `.json`. */
async function readConfig(folder: string, name: string): Promise<TextFile> {
  const yaml = await readText(join(folder, `${name}.yml`), `${name}.yml`)
  if (yaml.kind === 'text') return yaml
  const json = await readText(join(folder, `${name}.json`), `${name}.json`)
  return json.kind === 'missing' ? yaml : json
}

/** A relative path counts from the working directory, as it always did, and else from the folder. */
async function readNamed(folder: string, name: string): Promise<TextFile> {
  const first = await readText(resolve(name), name)
  if (first.kind !== 'missing' || isAbsolute(name)) return first
  return readText(join(folder, name), name)
}

async function readText(path: string, name: string): Promise<TextFile> {
  try {
    return { kind: 'text', name, text: await readFile(path, 'utf8') }
  } catch (error) {
    const code = error instanceof Error && 'code' in error ? error.code : undefined
    if (code === 'ENOENT' || code === 'ENOTDIR') return { kind: 'missing', name }
    return { kind: 'unreadable', name, reason: error instanceof Error ? error.message : String(error) }
  }
}

function foldersOf(world: World): readonly string[] {
  const folders = new Set([world.folder, join(world.folder, 'models')])
  for (const name of Object.keys(world.files)) {
    if (/^https?:\/\//.test(name)) continue
    folders.add(dirname(resolve(name)))
    if (!isAbsolute(name)) folders.add(dirname(join(world.folder, name)))
  }
  return [...folders]
}

function same(left: World, right: World): boolean {
  const key = ({ models, files, ownPlugins, consumers }: World): string =>
    JSON.stringify([models, files, ownPlugins, consumers])
  return left.gateway === right.gateway && left.system === right.system && key(left) === key(right)
}

function sameFile(left: TextFile, right: TextFile): boolean {
  const said = (file: TextFile): string =>
    file.kind === 'text' ? file.text : file.kind === 'unreadable' ? file.reason : ''
  return left.kind === right.kind && left.name === right.name && said(left) === said(right)
}

function equalLists(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((item, index) => item === right[index])
}
