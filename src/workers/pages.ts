/**
 * The pages of a ledger. Each is a folder of its own, which is made once and never again: `live` are its notes, `next` the
 * notes of the page behind it. Who finds a page full carries its sums over to a new one; a link decides whose is taken. Effect.
 */
import {
  closeSync,
  constants,
  existsSync,
  linkSync,
  mkdirSync,
  openSync,
  readdirSync,
  readSync,
  renameSync,
  rmSync,
  writeSync,
} from 'node:fs'
import { join } from 'node:path'
import type { Window, Windows } from '../lib/windows.ts'
import { LONGEST, NoteBytes } from './notes.ts'

/** A page as one process sees it. */
export interface Page {
  readonly fd: number
  /** Its folder: number, writer, turn. */
  readonly name: string
  /** A note that begins there or later does not count: who wrote it writes it again in the next page. */
  readonly end: number
  /** Where the next note begins. */
  at: number
  /** Of the last note. */
  time: number
}

/** Bytes of notes in a page; and twice as many more as it carries over, so that carrying is little of the work, and rare. */
const ROOM = 512 * 1024
/** What is carried is written in pieces, bytes. */
const PIECE = 256 * 1024
/** Doubles: where notes begin; where the page ends; the time of the last note before it; number, writer, turn. */
const HEADER = 6 * 8

/** The first, empty page. The folder is made; it is of those who count together alone. Throws where no page could be turned. */
export function createLedger(folder: string): void {
  const name = '1-0-0'
  const live = join(folder, name, 'live')
  mkdirSync(join(folder, name), { recursive: true, mode: 0o700 })
  writePage(live, { name, time: 0, windows: [] })
  const tried = join(folder, name, 'tried')
  try {
    linkSync(live, tried)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    const hint = 'set TMPDIR to a folder of a local file system that has hard links'
    throw new Error(`workers cannot count together in ${folder}: ${why}; ${hint}`, { cause: error })
  }
  rmSync(tried)
}

/** False: it has been taken away under those who count. */
export function hasLedger(folder: string): boolean {
  // whoever turns pages takes old ones away, also while we look
  for (let tries = 0; tries < 10; tries++) {
    try {
      if (pagesIn(folder).some((name) => existsSync(join(folder, name, 'live')))) return true
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
      return false
    }
  }
  return false
}

/** With the windows that it carries. Throws where there is none. */
export function openNewest(folder: string, windows: Windows): Page {
  // whoever turns pages takes old ones away, also while we look
  for (let tries = 0; tries < 100; tries++) {
    for (const name of pagesIn(folder)) {
      const page = openPage(join(folder, name, 'live'))
      if (page === undefined) continue
      windows.clear()
      load(page, windows)
      windows.sweep(page.time)
      return page
    }
  }
  throw new Error(`${folder} holds no page`)
}

export interface Turn {
  readonly folder: string
  /** It is closed when there is another one. */
  readonly page: Page
  /** Of all its notes. */
  readonly windows: Windows
  readonly writer: number
  /** Another one each time. */
  readonly turn: number
}

/** The page behind it; or the newest, with its windows, where others are further already and have taken that one away. */
export function turnPage({ folder, page, windows, writer, turn }: Turn): Page {
  // everyone does so here, and goes on with the same windows
  windows.sweep(page.time)
  const next = join(folder, page.name, 'next')
  const number = numberOf(page.name) + 1
  let behind = openPage(next)
  if (behind === undefined && existsSync(join(folder, page.name))) {
    offer(next, { folder, name: `${number}-${writer}-${turn}` }, windows, page.time)
    behind = openPage(next)
  }
  if (behind === undefined) behind = openNewest(folder, windows)
  else {
    try {
      unlessLate(() => linkSync(next, join(folder, behind!.name, 'live')))
      // the page itself stays for those who have not read to its end: its next one saves them from reading what that carries
      retire(folder, number - 1)
    } catch (error) {
      closeSync(behind.fd)
      throw error
    }
  }
  closeSync(page.fd)
  return behind
}

export interface Following extends Pick<Turn, 'folder' | 'page' | 'windows'> {
  /** Are there no more notes in it? Asked when there is another page. */
  ended(): boolean
}

/** The page behind it where somebody else has turned it, as `turnPage`. */
export function followPage({ folder, page, windows, ended }: Following): Page | undefined {
  let behind = openPage(join(folder, page.name, 'next'))
  if (behind === undefined) {
    if (existsSync(join(folder, page.name))) return undefined
    behind = openNewest(folder, windows)
  } else if (ended()) {
    windows.sweep(page.time)
  } else {
    closeSync(behind.fd)
    return undefined
  }
  closeSync(page.fd)
  return behind
}

/** Somebody else may have been first, or so much further that the page itself is gone. */
function offer(
  next: string,
  { folder, name }: { readonly folder: string; readonly name: string },
  windows: Windows,
  time: number,
): void {
  const own = join(folder, name)
  const draft = join(own, 'draft')
  let taken = false
  try {
    taken = unlessLate(() => {
      mkdirSync(own, { mode: 0o700 })
      writePage(draft, { name, time, windows })
      linkSync(draft, next)
    })
  } finally {
    // also where the disk is full: every try would leave another draft
    if (!taken) rmSync(own, { recursive: true, force: true })
  }
}

/** Renamed first: nobody can make a successor of a page that is being taken away. */
function retire(folder: string, before: number): void {
  for (const name of pagesIn(folder)) {
    if (numberOf(name) >= before) continue
    const gone = join(folder, `gone-${name}`)
    if (unlessLate(() => renameSync(join(folder, name), gone))) rmSync(gone, { recursive: true, force: true })
  }
}

/** False: it is there already, or what it needs is gone. */
function unlessLate(act: () => void): boolean {
  try {
    act()
    return true
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code === 'EEXIST' || code === 'ENOENT') return false
    throw error
  }
}

function openPage(path: string): Page | undefined {
  let fd: number | undefined
  if (!unlessLate(() => void (fd = openSync(path, constants.O_RDWR | constants.O_APPEND))) || fd === undefined)
    return undefined
  const header = new Float64Array(HEADER / 8)
  readSync(fd, header, 0, HEADER, 0)
  const [at = 0, end = 0, time = 0, ...name] = header
  return { fd, name: name.join('-'), end, at, time }
}

interface Draft {
  readonly name: string
  readonly time: number
  readonly windows: Iterable<readonly [key: string, window: Window]>
}

/** Nobody else sees it yet: its header comes last. */
function writePage(path: string, { name, time, windows }: Draft): void {
  const fd = openSync(path, 'wx', 0o600)
  try {
    const piece = new NoteBytes(PIECE)
    let body = HEADER
    let filled = 0
    const flush = (): void => {
      writeAll(fd, piece.bytes.subarray(0, filled), body)
      body += filled
      filled = 0
    }
    for (const [key, { count, resetAt }] of windows) {
      if (filled + LONGEST > PIECE) flush()
      filled += piece.write(filled, { writer: 0, turn: 0, time: resetAt, windowMs: 0, amount: count }, key)
    }
    flush()
    const header = new Float64Array([body, 3 * body + ROOM, time, ...name.split('-').map(Number)])
    writeAll(fd, new Uint8Array(header.buffer), 0)
  } finally {
    closeSync(fd)
  }
}

function writeAll(fd: number, bytes: Uint8Array, at: number): void {
  for (let done = 0; done < bytes.length;) done += writeSync(fd, bytes, done, bytes.length - done, at + done)
}

function load(page: Page, windows: Windows): void {
  const length = page.at - HEADER
  const notes = new NoteBytes(length)
  readSync(page.fd, notes.bytes, 0, length, HEADER)
  for (let at = 0; at < length;) {
    const size = notes.sizeAt(at, length - at)
    if (size <= 0) throw new Error(`${page.name} does not carry what it says`)
    windows.set(notes.keyAt(at, size), { count: notes.amountAt(at), resetAt: notes.timeAt(at) })
    at += size
  }
}

/** The newest first. */
function pagesIn(folder: string): readonly string[] {
  return readdirSync(folder)
    .filter((name) => /^\d+-\d+-\d+$/.test(name))
    .sort((a, b) => numberOf(b) - numberOf(a))
}

function numberOf(name: string): number {
  return Number.parseInt(name, 10)
}
