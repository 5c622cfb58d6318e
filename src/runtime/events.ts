/** What happens → the log, and a ring of the latest for the admin API: nothing is only logged. */
import { pino } from 'pino'
import type { Diagnostic } from '../model/diagnostic.ts'
import { placeOf, timesOf } from '../model/diagnostic.ts'
import type { Events } from '../policies/services.ts'

export interface EventRecord {
  readonly time: number
  readonly level: 'debug' | 'info' | 'warn' | 'error'
  readonly code: string
  readonly message: string
  readonly facts?: Readonly<Record<string, unknown>>
}

export interface EventLog extends Events {
  /** The latest, newest last; at most the ring's size. */
  recent(): readonly EventRecord[]
}

export interface EventOptions {
  readonly level: string
  readonly format: 'json' | 'text'
  readonly write?: (line: string) => void
  readonly ring?: number
}

const rank = { debug: 0, info: 1, warn: 2, error: 3, silent: 4 } as const

export function createEvents(options: EventOptions): EventLog {
  const ring: EventRecord[] = []
  const size = options.ring ?? 500
  const write = options.write ?? ((line: string) => void process.stderr.write(line))
  const threshold = rank[options.level as keyof typeof rank] ?? rank.info
  const json = pino({ level: 'debug', base: undefined, timestamp: pino.stdTimeFunctions.isoTime }, { write })

  const emit: Events['emit'] = (level, code, message, facts) => {
    const record: EventRecord = { time: Date.now(), level, code, message, ...(facts === undefined ? {} : { facts }) }
    ring.push(record)
    if (ring.length > size) ring.shift()
    if (rank[level] < threshold) return
    if (options.format === 'json') json[level]({ code, ...facts }, message)
    else write(`${new Date(record.time).toISOString()} ${level.padEnd(5)} ${message}\n`)
  }

  return {
    emit,
    diagnostic: (diagnostic: Diagnostic) => {
      const level = diagnostic.severity === 'error' ? 'error' : diagnostic.severity === 'warning' ? 'warn' : 'info'
      const place = diagnostic.origin === undefined ? '' : `${placeOf(diagnostic.origin)}: `
      const hint = diagnostic.hint === undefined ? '' : ` (hint: ${diagnostic.hint})`
      emit(level, diagnostic.code, `${place}${diagnostic.message}${timesOf(diagnostic)}${hint}`, { diagnostic })
    },
    recent: () => ring,
  }
}
