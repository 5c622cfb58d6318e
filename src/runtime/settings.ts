/**
 * Flags, `GANTRY_*` and `gantry.yml` → how the process itself runs. Pure, given the file's parsed value.
 * One table says every setting once: its key in the file, its flag, its variable, its default.
 */
import { z } from 'zod'
import type { Diagnostic } from '../model/diagnostic.ts'

export interface Setting {
  /** Path in gantry.yml: `admin.port`. The flag is `--admin-port`, the variable GANTRY_ADMIN_PORT. */
  readonly key: string
  readonly schema: z.ZodType
  /** What stands behind the flag in the help; absent for switches. */
  readonly argument?: string
  readonly summary: string
  readonly default?: unknown
  readonly secret?: boolean
}

/** From the most talkative. */
export const logLevels = ['debug', 'info', 'warn', 'error', 'silent'] as const

const port = z.coerce.number().int().min(0).max(65535)
const milliseconds = z.coerce.number().int().min(0)
const truth = z.union([
  z.boolean(),
  z.enum(['true', 'false', 'on', 'off', '1', '0']).transform((word) => ['true', 'on', '1'].includes(word)),
])

export const settingsTable: readonly Setting[] = [
  {
    key: 'from',
    schema: z.string(),
    argument: 'SOURCE',
    summary: 'read the folder as this source instead of recognising it',
  },
  {
    key: 'data',
    schema: z.string(),
    argument: 'FOLDER',
    summary: 'where the embedded store lives (default: FOLDER/.gantry)',
  },
  {
    key: 'workers',
    schema: z.coerce.number().int().min(1).max(256),
    argument: 'N',
    summary: 'processes that serve',
    default: 1,
  },
  {
    key: 'grace',
    schema: milliseconds,
    argument: 'MS',
    summary: 'how long a stop waits for what is under way',
    default: 10_000,
  },
  { key: 'watch', schema: truth, argument: 'on|off', summary: 'follow changes of the folder', default: true },
  {
    key: 'admin.enabled',
    schema: truth,
    argument: 'on|off',
    summary:
      'open the admin API (default: on; beside an Express Gateway, where its configuration has an admin section)',
  },
  {
    key: 'admin.address',
    schema: z.string(),
    argument: 'ADDRESS',
    summary: 'where the admin API listens; other than loopback needs a token',
  },
  {
    key: 'admin.port',
    schema: port,
    argument: 'PORT',
    summary: 'port of the admin API (default: what the configuration says, else 9876)',
  },
  {
    key: 'admin.token',
    schema: z.string().min(16),
    argument: 'TOKEN',
    summary: 'bearer token of the admin API, 16 characters or more',
    secret: true,
  },
  {
    key: 'admin.answers',
    schema: z.enum(['original', 'strict']),
    argument: 'original|strict',
    summary: "statuses of Express Gateway's Admin API: the original's, or 4xx for what the caller did wrong",
    default: 'original',
  },
  {
    key: 'store.kind',
    schema: z.enum(['embedded', 'memory', 'redis']),
    argument: 'KIND',
    summary: 'consumers and counters: embedded, memory or redis (default: what the configuration says, else embedded)',
  },
  {
    key: 'store.redis',
    schema: z.string(),
    argument: 'URL',
    summary: 'Redis for --store-kind redis: redis://host:6379/0',
    secret: true,
  },
  {
    key: 'log.level',
    schema: z.enum(logLevels),
    argument: 'LEVEL',
    summary: 'events at least this grave',
    default: 'info',
  },
  {
    key: 'log.format',
    schema: z.enum(['auto', 'json', 'text']),
    argument: 'FORMAT',
    summary: 'auto: text on a terminal, JSON elsewhere',
    default: 'auto',
  },
  { key: 'log.access', schema: z.string(), argument: 'off|stdout|FILE', summary: 'JSON access log', default: 'off' },
]

export interface Settings {
  readonly from?: string
  readonly data?: string
  readonly workers: number
  readonly grace: number
  readonly watch: boolean
  readonly admin: {
    /** Absent: as the configuration has it. */
    readonly enabled?: boolean
    readonly address?: string
    readonly port?: number
    readonly token?: string
    readonly answers: 'original' | 'strict'
  }
  readonly store: { readonly kind?: 'embedded' | 'memory' | 'redis'; readonly redis?: string }
  readonly log: { readonly level: string; readonly format: 'auto' | 'json' | 'text'; readonly access: string }
}

export function flagOf(setting: Setting): string {
  return `--${setting.key.replaceAll('.', '-')}`
}

export function variableOf(setting: Setting): string {
  return `GANTRY_${setting.key.replaceAll('.', '_').toUpperCase()}`
}

export interface Said {
  /** By key of the table, as typed. */
  readonly flags: Readonly<Record<string, unknown>>
  readonly environment: Readonly<Record<string, string | undefined>>
  /** The parsed gantry.yml; undefined where there is none. */
  readonly file?: unknown
  readonly fileName?: string
}

/** Flags win over variables, variables over the file, the file over defaults. A bad value is a diagnostic, and the next best is taken. */
export function settle(said: Said): { readonly settings: Settings; readonly diagnostics: readonly Diagnostic[] } {
  const diagnostics: Diagnostic[] = []
  const file = flatten(said.file, said.fileName ?? 'gantry.yml', diagnostics)
  const result: Record<string, unknown> = {}
  for (const setting of settingsTable) {
    const candidates = [
      { place: flagOf(setting), value: said.flags[setting.key] },
      { place: variableOf(setting), value: said.environment[variableOf(setting)] },
      { place: `${said.fileName ?? 'gantry.yml'} ${setting.key}`, value: file.get(setting.key) },
    ]
    let chosen = setting.default
    for (const { place, value } of candidates) {
      if (value === undefined || value === '') continue
      const parsed = setting.schema.safeParse(value)
      if (parsed.success) {
        chosen = parsed.data
        break
      }
      const shown = setting.secret === true ? 'the value' : JSON.stringify(value)
      diagnostics.push({
        code: 'settings/bad-value',
        severity: 'error',
        message: `${place}: ${shown} is not allowed: ${parsed.error.issues[0]?.message ?? 'invalid'}`,
        hint: setting.argument === undefined ? setting.summary : `${setting.argument}: ${setting.summary}`,
        origin: { source: 'gantry', object: place },
      })
    }
    put(result, setting.key, chosen)
  }
  return { settings: result as unknown as Settings, diagnostics }
}

function flatten(file: unknown, name: string, diagnostics: Diagnostic[]): Map<string, unknown> {
  const known = new Set(settingsTable.map((setting) => setting.key))
  const groups = new Set(
    settingsTable.filter((setting) => setting.key.includes('.')).map((setting) => setting.key.split('.')[0]),
  )
  const found = new Map<string, unknown>()
  const unknown = (key: string): void => {
    diagnostics.push({
      code: 'settings/unknown-key',
      severity: 'error',
      message: `${name}: unknown key ${key}`,
      hint: `one of ${[...known].join(', ')}`,
      origin: { source: 'gantry', file: name, object: name, field: key },
    })
  }
  if (file === undefined || file === null) return found
  if (typeof file !== 'object' || Array.isArray(file)) {
    unknown('(the file is not a map)')
    return found
  }
  for (const [key, value] of Object.entries(file)) {
    if (known.has(key)) found.set(key, value)
    else if (groups.has(key) && typeof value === 'object' && value !== null) {
      for (const [inner, innerValue] of Object.entries(value)) {
        if (known.has(`${key}.${inner}`)) found.set(`${key}.${inner}`, innerValue)
        else unknown(`${key}.${inner}`)
      }
    } else unknown(key)
  }
  return found
}

function put(result: Record<string, unknown>, key: string, value: unknown): void {
  const [head, tail] = key.split('.')
  if (head === undefined) return
  if (tail === undefined) {
    result[head] = value
    return
  }
  const group = (result[head] ?? {}) as Record<string, unknown>
  group[tail] = value
  result[head] = group
}
