/** Folders → a tick after anything in them has changed and then been still for a moment. Effect. */
import { watch, type FSWatcher } from 'node:fs'

export interface Changes {
  /** Ends when the signal does, or on close. */
  readonly ticks: AsyncIterator<void>
  close(): void
}

/**
 * Not the folders below: a working directory may hold anything. `pollMs` looks without being told, for file systems that
 * tell nothing and for folders that were not there, or were replaced.
 */
export function watchFolders(
  folders: readonly string[],
  signal: AbortSignal,
  options: { readonly stillMs: number; readonly pollMs: number },
): Changes {
  let changed = false
  let closed = signal.aborted
  let timer: NodeJS.Timeout | undefined
  let wake: (() => void) | undefined
  const tick = (): void => {
    changed = true
    wake?.()
  }
  const watchers = folders.flatMap((folder): readonly FSWatcher[] => {
    try {
      const watcher = watch(folder, { persistent: false }, () => {
        clearTimeout(timer)
        timer = setTimeout(tick, options.stillMs)
      })
      // the folder itself was taken away: what was in it is missing now
      watcher.on('error', tick)
      return [watcher]
    } catch {
      return [] // not there: its absence is already in the world
    }
  })
  const poll = setInterval(tick, options.pollMs).unref()
  const close = (): void => {
    closed = true
    clearTimeout(timer)
    clearInterval(poll)
    for (const watcher of watchers) watcher.close()
    signal.removeEventListener('abort', close)
    wake?.()
  }
  signal.addEventListener('abort', close)
  return {
    close,
    ticks: (async function* () {
      while (!closed) {
        if (!changed) await new Promise<void>((resolve) => (wake = resolve))
        wake = undefined
        if (closed) return
        changed = false
        yield
      }
    })(),
  }
}
