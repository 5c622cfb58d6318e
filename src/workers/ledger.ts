/**
 * A folder that several processes share → counters that are exact over all of them, and ask nobody. Everyone appends what it
 * adds to one file, and reads what the others have added up to there: all see the same notes in the same order, so all have
 * the same sums. Effect, synchronous: two calls to the system for a count (docs/adr/0008-workers.md).
 */
import { closeSync, readSync, writeSync } from 'node:fs'
import { MOST_WINDOWS, Windows } from '../lib/windows.ts'
import { type Counters, type CounterState, StoreUnavailable } from '../policies/services.ts'
import { keyOfNote, LONGEST, NoteBytes } from './notes.ts'
import { followPage, openNewest, turnPage } from './pages.ts'

export { createLedger, hasLedger } from './pages.ts'

export interface LedgerOptions {
  readonly folder: string
  /** 1 to 2³² − 1, and of nobody else who has ever written there. */
  readonly writer: number
  /** Windows that it holds; the same for all who share it. */
  readonly most?: number
  now?(): number
}

export interface Ledger extends Counters {
  /** Throws StoreUnavailable where nothing can be written or read: what is not counted is not let through. */
  add(key: string, windowMs: number, amount?: number): CounterState
  /** To another ledger, whose counts it goes on with. Throws where there is none. */
  move(folder: string): void
  close(): void
}

const CHUNK = 64 * 1024
/** How often pages may turn under our feet before something else must be wrong. */
const TRIES = 1000
/** How often those who do not count read what others write, milliseconds: else their next count would read it all. */
const LOOK = 50
/** After a page that could not be turned, milliseconds: a draft has all that is carried, and a full disk has enough to do. */
const REST = 1000

/** Throws where there is no page. */
export function openLedger({ folder: first, writer, most = MOST_WINDOWS, now = Date.now }: LedgerOptions): Ledger {
  let folder = first
  const windows = new Windows(most)
  const own = new NoteBytes(LONGEST)
  const chunk = new NoteBytes(CHUNK)
  let turn = 0
  let page = openNewest(folder, windows)
  let closed = false
  let failed: { readonly error: unknown; readonly at: number } | undefined

  /** A chunk of notes, or up to our own, whose state it is. `stopped`: there are bytes, and none of them is a whole note. */
  const readOn = (own?: string): CounterState | 'full' | 'more' | 'stopped' | 'nothing' => {
    const there = readSync(page.fd, chunk.bytes, 0, CHUNK, page.at)
    let from = 0
    let size = 0
    while (page.at < page.end && (size = chunk.sizeAt(from, there - from)) > 0) {
      // others may be writing behind our own note; what stands before it was whole before ours could be written
      const mine = own !== undefined && chunk.isOf(from, writer, turn)
      page.time = chunk.timeAt(from)
      const noted = mine ? own : chunk.keyAt(from, size)
      const state = windows.add(page.time, noted, chunk.windowAt(from), chunk.amountAt(from))
      from += size
      page.at += size
      if (mine) return state ?? 'full'
    }
    // full, or half a note of somebody who died over it or had no room: the page ends there for everyone
    if (page.at >= page.end || size < 0) return 'stopped'
    if (from > 0) return 'more'
    return there > 0 ? 'stopped' : 'nothing'
  }

  /** Undefined: the page ended before our own note. */
  const readToOwn = (key: string): CounterState | 'full' | undefined => {
    for (;;) {
      const state = readOn(key)
      if (state === 'stopped' || state === 'nothing') return undefined
      if (state !== 'more') return state
    }
  }

  /** Milliseconds until there is something to do again. */
  const follow = (): number => {
    const state = readOn()
    if (state === 'more') return 1
    if (state !== 'stopped') return LOOK
    // what is half may only be on its way: who has counted behind it, and turned the page, knows
    const behind = followPage({ folder, page, windows, ended: () => readOn() === 'stopped' })
    if (behind === undefined) return LOOK
    page = behind
    return 1
  }

  let timer: NodeJS.Timeout
  const look = (): void => {
    let wait = REST
    try {
      wait = follow()
    } catch {
      // whoever counts meets it, too, and is told
    }
    timer = setTimeout(look, wait).unref()
  }
  timer = setTimeout(look, LOOK).unref()

  const turnOver = (): void => {
    try {
      page = turnPage({ folder, page, windows, writer, turn })
    } catch (error) {
      failed = { error, at: performance.now() }
      throw error
    }
  }

  const count = (key: string, windowMs: number, amount: number): CounterState => {
    // the number of its file may be somebody else's by now
    if (closed) throw new Error('it is closed')
    if (failed !== undefined && performance.now() - failed.at < REST) throw failed.error
    failed = undefined
    for (let tries = 0; tries < TRIES; tries++) {
      turn = (turn + 1) >>> 0
      const size = own.write(0, { writer, turn, time: now(), windowMs, amount }, key)
      // behind all that is there, whoever else writes: the file was opened to append
      if (writeSync(page.fd, own.bytes, 0, size, null) !== size) throw new Error('there is no room')
      const state = readToOwn(key)
      if (state === 'full') throw new Error(`it holds ${most} windows, and none of them is over`)
      if (state !== undefined) return state
      // a note behind the end counts for nobody
      turnOver()
    }
    throw new Error('its pages turn faster than they can be written')
  }

  return {
    add: (key, windowMs, amount = 1) => {
      try {
        return count(keyOfNote(key), windowMs, amount)
      } catch (error) {
        const why = error instanceof Error ? error.message : String(error)
        throw new StoreUnavailable(`the ledger of all workers cannot count: ${why}`, { cause: error })
      }
    },
    move: (to) => {
      if (closed) return
      const behind = openNewest(to, windows)
      closeSync(page.fd)
      folder = to
      page = behind
      failed = undefined
    },
    close: () => {
      if (closed) return
      closed = true
      clearTimeout(timer)
      closeSync(page.fd)
    },
  }
}
