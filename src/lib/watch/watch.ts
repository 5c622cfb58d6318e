/**
 * Folder → a message after each change of its files' content. Effect: watches until the signal ends.
 *
 * Events only say when to look; what changed is found by comparing contents. So a ConfigMap's `..data` swap, an editor's
 * rename, a folder that goes and comes back, and a file that is touched but equal are all the same simple case.
 */
import { createHash } from 'node:crypto'
import { statSync, watch, type FSWatcher } from 'node:fs'
import { readdir, readFile, stat } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'

export interface Change {
  /** Paths below the folder with `/`, sorted: added, changed, or gone. */
  readonly changed: readonly string[]
}

export interface WatchOptions {
  readonly signal: AbortSignal
  /** Milliseconds of silence after which one looks; default 50. A stream of events is looked at after ten times that. */
  readonly settleMs?: number
  /** For file systems that send no events: look every so many milliseconds. */
  readonly pollMs?: number
}

export interface Watch extends AsyncIterable<Change> {
  /** When what stands there now is known: a change after it is reported. */
  readonly ready: Promise<void>
}

/** The folder need not exist yet. Changes that come while nobody asks are reported together. */
export function watchFolder(path: string, options: WatchOptions): Watch {
  const watcher = new FolderWatch(resolve(path), options)
  return { ready: watcher.ready, [Symbol.asyncIterator]: () => watcher.changes() }
}

class FolderWatch {
  readonly ready: Promise<void>
  readonly #root: string
  readonly #signal: AbortSignal
  readonly #settleMs: number
  readonly #watchers = new Map<string, FSWatcher>()
  readonly #pending = new Set<string>()
  #known: ReadonlyMap<string, string> = new Map()
  #timer: NodeJS.Timeout | undefined
  #firstEvent: number | undefined
  #poll: NodeJS.Timeout | undefined
  #looking: Promise<void>
  #wake: () => void = () => undefined

  constructor(root: string, { signal, settleMs = 50, pollMs }: WatchOptions) {
    this.#root = root
    this.#signal = signal
    this.#settleMs = settleMs
    this.#looking = this.#look('baseline')
    this.ready = this.#looking
    if (pollMs !== undefined) this.#poll = setInterval(() => this.#lookNow(), pollMs)
    if (signal.aborted) this.#close()
    else signal.addEventListener('abort', () => this.#close(), { once: true })
  }

  async *changes(): AsyncGenerator<Change> {
    await this.ready
    while (!this.#signal.aborted) {
      if (this.#pending.size > 0) {
        const changed = [...this.#pending].sort()
        this.#pending.clear()
        yield { changed }
        continue
      }
      await new Promise<void>((wake) => (this.#wake = wake))
    }
  }

  #close(): void {
    clearTimeout(this.#timer)
    clearInterval(this.#poll)
    for (const watcher of this.#watchers.values()) watcher.close()
    this.#watchers.clear()
    this.#wake()
  }

  #event(): void {
    if (this.#signal.aborted) return
    const now = Date.now()
    this.#firstEvent ??= now
    if (now - this.#firstEvent > 10 * this.#settleMs && this.#timer !== undefined) return // it will fire
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => this.#lookNow(), this.#settleMs)
  }

  /** One look at a time, in order. */
  #lookNow(): void {
    this.#timer = undefined
    this.#firstEvent = undefined
    this.#looking = this.#looking.then(() => this.#look('compare'))
  }

  async #look(what: 'baseline' | 'compare'): Promise<void> {
    if (this.#signal.aborted) return
    const tree = new Tree()
    await tree.add(this.#root, '')
    if (this.#watchAll(tree.folders)) {
      // a folder is new: what came into it before its watch stood would be missed
      this.#event()
    }
    for (const path of new Set([...this.#known.keys(), ...tree.files.keys()])) {
      if (what === 'compare' && this.#known.get(path) !== tree.files.get(path)) this.#pending.add(path)
    }
    this.#known = tree.files
    if (this.#pending.size > 0) this.#wake()
  }

  /** True if a watch was added. A watch is on the folder, not its name: another folder of that name needs another watch. */
  #watchAll(folders: ReadonlyMap<string, string>): boolean {
    if (this.#signal.aborted) return false
    const wanted = new Map([...folders].map(([path, identity]) => [`${identity} ${path}`, path]))
    // the nearest folder above that exists tells when the root comes, goes, or is replaced
    for (let above = dirname(this.#root); ; above = dirname(above)) {
      const found = statSync(above, { throwIfNoEntry: false })
      if (found !== undefined) wanted.set(`above ${found.dev}:${found.ino} ${above}`, above)
      if (found !== undefined || above === dirname(above)) break
    }
    for (const [key, watcher] of this.#watchers) {
      if (wanted.has(key)) continue
      watcher.close()
      this.#watchers.delete(key)
    }
    let added = false
    for (const [key, path] of wanted) if (this.#tryWatch(key, path)) added = true
    return added
  }

  #tryWatch(key: string, path: string): boolean {
    if (this.#watchers.has(key)) return false
    try {
      const watcher = watch(path, { persistent: true }, () => this.#event())
      watcher.on('error', () => {
        // the folder has gone; the one above will tell when it is back
        watcher.close()
        this.#watchers.delete(key)
        this.#event()
      })
      this.#watchers.set(key, watcher)
      return true
    } catch (error) {
      if (isMissing(error)) return false
      throw error
    }
  }
}

/** What is below a folder, symbolic links followed. */
class Tree {
  /** Path below the root → hash of the content. */
  readonly files = new Map<string, string>()
  /** Absolute path → device and inode. */
  readonly folders = new Map<string, string>()
  readonly #above: string[] = []

  async add(absolute: string, relative: string): Promise<void> {
    try {
      const found = await stat(absolute)
      const identity = `${found.dev}:${found.ino}`
      if (found.isFile()) {
        this.files.set(
          relative,
          createHash('sha256')
            .update(await readFile(absolute))
            .digest('base64'),
        )
      } else if (found.isDirectory() && !this.#above.includes(identity)) {
        this.folders.set(absolute, identity)
        this.#above.push(identity) // a link to a folder above leads round in circles
        for (const name of await readdir(absolute)) {
          if (name === 'node_modules' || name === '.git') continue
          await this.add(join(absolute, name), relative === '' ? name : `${relative}/${name}`)
        }
        this.#above.pop()
      }
    } catch (error) {
      // gone while we looked: as good as not there. Unreadable: counted as a content of its own, for the reader to report
      if (!isMissing(error)) this.files.set(relative, `unreadable ${String(error)}`)
    }
  }
}

function isMissing(error: unknown): boolean {
  const code = error instanceof Error && 'code' in error ? error.code : undefined
  return code === 'ENOENT' || code === 'ENOTDIR' || code === 'ELOOP'
}
