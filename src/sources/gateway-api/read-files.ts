/** A folder of Gateway API YAML → worlds: what it holds now, and again after each change. Effect. */
import { watch } from 'node:fs'
import type { FSWatcher } from 'node:fs'
import { readFile, readdir } from 'node:fs/promises'
import { dirname, join, relative, resolve, sep } from 'node:path'
import type { Texts } from './files.ts'
import { createFileReader, isEndpointsFile, namedFiles } from './files.ts'
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
    // watched first, then read: what changes in between is not missed
    const listed = await list(root)
    const changes = watchFolders(listed.folders)
    try {
      const { texts, others } = await load(root, listed.files)
      const outside = watchFolders(
        [...new Set([...others.keys()].map((each) => dirname(join(root, each))))].filter(
          (each) => !listed.folders.includes(each),
        ),
      )
      try {
        const fingerprint = JSON.stringify([[...texts], [...others]])
        if (fingerprint !== seen) {
          seen = fingerprint
          yield read(texts, others)
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

/** YAML and JSON files below the folder, by relative path with `/`; hidden ones and node_modules are left alone. */
async function list(root: string): Promise<{ readonly files: readonly string[]; readonly folders: readonly string[] }> {
  const files: string[] = []
  const folders: string[] = []
  const visit = async (folder: string): Promise<void> => {
    folders.push(folder)
    for (const entry of await readdir(folder, { withFileTypes: true })) {
      if (entry.name.startsWith('.') || entry.name === 'node_modules') continue
      const path = join(folder, entry.name)
      if (entry.isDirectory()) await visit(path)
      else if (/\.(ya?ml|json)$/.test(entry.name)) files.push(relative(root, path).split(sep).join('/'))
    }
  }
  await visit(root)
  return { files: files.sort(), folders }
}

function watchFolders(folders: readonly string[]): { readonly changed: Promise<void>; close(): void } {
  const watchers: FSWatcher[] = []
  let tell = (): void => undefined
  const changed = new Promise<void>((done) => {
    tell = done
  })
  for (const folder of folders) {
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
