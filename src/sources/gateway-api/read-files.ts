/** A folder of Gateway API YAML → worlds: what it holds now, and again after each change. Effect. */
import { existsSync, watch } from 'node:fs'
import type { Dirent, FSWatcher } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Texts } from './files.ts'
import { isEndpointsFile } from './endpoints-file.ts'
import { createFileReader, namedFiles } from './files.ts'
import type { World } from './resources.ts'

export const controllerName = 'gantry.dev/gateway-controller'

/** How long a folder must be still before it is read, milliseconds: editors write in several steps. */
const stillMs = 30

export async function* readFiles(folder: string, signal: AbortSignal): AsyncGenerator<World> {
  const root = resolve(folder)
  const read = createFileReader({ controllerName, address: '127.0.0.1' })
  let seen = ''
  const end = new Promise<void>((done) => {
    if (signal.aborted) done()
    else signal.addEventListener('abort', () => done(), { once: true })
  })
  while (!signal.aborted) {
    // watched first, then listed and read: what changes in between is not missed
    const watched = (await list(root)).folders
    const changes = watchFolders(watched)
    try {
      const { files, lost } = await list(root)
      const { texts, others } = await load(root, files)
      const outside = watchFolders(
        [...new Set([...others.keys()].map((each) => nearestFolder(dirname(join(root, each)))))].filter(
          (each) => !watched.includes(each),
        ),
      )
      try {
        const fingerprint = JSON.stringify([[...texts], [...others], [...lost]])
        if (fingerprint !== seen) {
          seen = fingerprint
          yield read(texts, others, lost)
        }
        await Promise.race([changes.changed, outside.changed, end])
        if (!signal.aborted) await Promise.race([new Promise((done) => setTimeout(done, stillMs)), end])
      } finally {
        outside.close()
      }
    } finally {
      changes.close()
    }
  }
}

/** Does a file of this folder speak of the Gateway API? */
export async function recogniseFolder(folder: string): Promise<boolean> {
  const { files } = await list(resolve(folder))
  for (const file of files) {
    if (isEndpointsFile(file)) continue
    const text = await readText(join(resolve(folder), file))
    if (text !== undefined && /^\s*"?apiVersion"?:\s*["']?gateway\.networking\.k8s\.io\//m.test(text)) return true
  }
  return false
}

async function load(
  root: string,
  files: readonly string[],
): Promise<{ readonly texts: Texts; readonly others: Texts }> {
  const texts = await readAll(root, files)
  return { texts, others: await readAll(root, namedFiles(texts)) }
}

async function readAll(root: string, files: readonly string[]): Promise<Texts> {
  return new Map(await Promise.all(files.map(async (file) => [file, await readText(join(root, file))] as const)))
}

async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    // gone meanwhile, or not ours to read: the world says so
    if (error instanceof Error && 'code' in error) return undefined
    throw error
  }
}

interface Listed {
  /** By relative path with `/`. */
  readonly files: readonly string[]
  /** Where a change may show. */
  readonly folders: readonly string[]
  /** Folders that cannot be looked into, relative, the whole one as '' → what is wrong. */
  readonly lost: ReadonlyMap<string, string>
}

/** YAML and JSON files below the folder; hidden ones and node_modules are left alone. */
async function list(root: string): Promise<Listed> {
  const files: string[] = []
  const folders: string[] = []
  const lost = new Map<string, string>()
  const nameOf = (path: string): string => relative(root, path).split(sep).join('/')
  const visit = async (folder: string): Promise<void> => {
    let entries: readonly Dirent[]
    try {
      entries = await readdir(folder, { withFileTypes: true })
    } catch (error) {
      const code = error instanceof Error && 'code' in error ? String(error.code) : undefined
      if (code === undefined) throw error
      // removed between two looks, with all that was in it
      if (code === 'ENOENT' && folder !== root) return
      // what is above hears of its return, and of other rights
      folders.push(nearestFolder(dirname(folder)))
      lost.set(nameOf(folder), `the folder ${folder} ${whyLost(code)}`)
      return
    }
    folders.push(folder)
    for (const entry of entries) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await visit(path)
      else if (/\.(ya?ml|json)$/.test(entry.name)) files.push(nameOf(path))
    }
  }
  await visit(root)
  return { files: files.sort(), folders, lost }
}

function whyLost(code: string): string {
  switch (code) {
    case 'ENOENT':
      return 'is not there'
    case 'ENOTDIR':
      return 'is none'
    case 'EACCES':
    case 'EPERM':
      return 'may not be read by this user'
    default:
      return `cannot be read (${code})`
  }
}

/** What is not there shows, when it comes, in the nearest folder above it that is. */
function nearestFolder(folder: string): string {
  let path = folder
  while (!existsSync(path) && dirname(path) !== path) path = dirname(path)
  return path
}

function watchFolders(folders: readonly string[]): { readonly changed: Promise<void>; close(): void } {
  const watchers: FSWatcher[] = []
  let tell = (): void => undefined
  const changed = new Promise<void>((done) => {
    tell = done
  })
  for (const folder of new Set(folders)) {
    try {
      const watcher = watch(folder, { persistent: false }, tell)
      // the folder is gone: that is a change
      watcher.on('error', tell)
      watchers.push(watcher)
    } catch {
      tell()
    }
  }
  return { changed, close: () => watchers.forEach((each) => each.close()) }
}
