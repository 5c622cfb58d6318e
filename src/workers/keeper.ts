/** The folder that workers share → it stays: cleaners of temporary folders find it in use, and a ledger that is gone is made anew. Effect. */
import { lstatSync, mkdirSync, readdirSync, utimesSync } from 'node:fs'
import { join } from 'node:path'
import type { Events } from '../policies/services.ts'
import { createLedger, hasLedger } from './ledger.ts'

export interface KeeperOptions {
  readonly folder: string
  readonly events: Events
  /** Those who count find the ledger there from now on. */
  moved(ledger: string): void
}

export interface Keeper {
  /** The folder of the ledger. */
  ledger(): string
  close(): void
}

/** How often it is looked after, milliseconds. */
const LOOK = 1000
/** Cleaners take what nobody has touched for days. */
const TOUCH = 3_600_000

/** Throws where no ledger can be made. */
export function keepLedger({ folder, events, moved }: KeeperOptions): Keeper {
  let number = 1
  let touched = performance.now()
  let told = ''
  const create = (): string => {
    const ledger = join(folder, `ledger-${number++}`)
    createLedger(ledger)
    return ledger
  }
  let ledger = create()

  const look = (): void => {
    if (!hasLedger(ledger)) {
      restore(folder)
      ledger = create()
      events.emit('error', 'workers/ledger', `what workers have counted was removed from ${folder}: counts begin anew`)
      moved(ledger)
    }
    if (performance.now() - touched < TOUCH) return
    touched = performance.now()
    touch(folder)
  }
  const timer = setInterval(() => {
    try {
      look()
      told = ''
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      if (why !== told) events.emit('error', 'workers/ledger', `the ledger of all workers cannot be kept: ${why}`)
      told = why
    }
  }, LOOK)
  timer.unref()
  return { ledger: () => ledger, close: () => clearInterval(timer) }
}

/** Its name was known to everyone on the machine while it was gone. */
function restore(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 })
  const { uid, mode } = lstatSync(folder)
  if (uid !== process.getuid?.() || (mode & 0o022) !== 0) throw new Error(`${folder} belongs to somebody else`)
}

/** With everything in it. */
function touch(folder: string): void {
  const now = new Date()
  for (const path of ['', ...readdirSync(folder, { recursive: true, encoding: 'utf8' })]) {
    try {
      utimesSync(join(folder, path), now, now)
    } catch (error) {
      // pages come and go
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
}
