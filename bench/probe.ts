/** A running gateway → what it holds, after everything that nobody holds was collected. Effects: signals it, and reads what it writes. */
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'

export const socketKinds = ['listening', 'clients', 'backends', 'others'] as const

export interface Held {
  readonly sockets: Readonly<Record<(typeof socketKinds)[number], number>>
  /** Of Node, by kind. */
  readonly resources: Readonly<Record<string, number>>
  /** Bytes. */
  readonly rss: number
  readonly heapUsed: number
  readonly external: number
  readonly arrayBuffers: number
}

export interface Probe {
  /** What the gateway must be started with. */
  readonly options: { readonly nodeArgs: readonly string[]; readonly environment: Readonly<Record<string, string>> }
  ask(pid: number): Promise<Held>
}

/** `folder`: where the answers are written. */
export function createProbe(folder: string): Probe {
  const file = join(folder, 'probe.json')
  const program = new URL('load/probe.mjs', import.meta.url).href
  return {
    options: { nodeArgs: ['--expose-gc', '--import', program], environment: { BENCH_PROBE_FILE: file } },
    ask: async (pid) => {
      rmSync(file, { force: true })
      process.kill(pid, 'SIGUSR2')
      while (!existsSync(file)) await sleep(50)
      return JSON.parse(readFileSync(file, 'utf8')) as Held
    },
  }
}

export function mb(bytes: number): string {
  return (bytes / (1 << 20)).toFixed(1)
}
