/** What every measurement that is no row of CPU per request gets and gives. */
import type { Materials } from './materials.ts'
import type { Peer, Place } from './peers/peer.ts'

export interface Bench {
  readonly materials: Materials
  /** Ports of the two backends. */
  readonly backend: number
  readonly echo: number
  /** Processes of the HTTP backend. */
  readonly backendPids: readonly number[]
  /** Those that were asked for and can be started. */
  readonly peers: readonly Peer[]
  /** gantry.js of the build that is measured. */
  readonly program: string
  readonly seconds: number
  readonly rounds: number
  readonly warm: number
  /** A new folder for a process, with what it forwards to. */
  place(name: string): Place
  /** Progress, for a person who waits. */
  say(line: string): void
}

export interface Study {
  readonly name: string
  readonly summary: string
  run(bench: Bench): Promise<Section>
}

export type Cell = string | number

/** A table of its own. Numbers are written as they are in JSON, and shortened where people read. */
export interface Section {
  readonly name: string
  readonly title: string
  readonly head: readonly string[]
  readonly lines: readonly (readonly Cell[])[]
  /** What a reader must know to judge the figures. */
  readonly notes: readonly string[]
}
