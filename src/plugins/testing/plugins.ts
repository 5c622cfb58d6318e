/** Sources of plugins → a host that has loaded them from files. For tests. */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Events, Expressions, Metrics } from '../../policies/services.ts'
import type { PluginWish } from '../../sources/source.ts'
import { createPlugins, type PluginHost, type PluginHostOptions } from '../host.ts'

export interface TestHost {
  readonly host: PluginHost
  readonly folder: string
  readonly diagnostics: readonly Diagnostic[]
  readonly events: {
    readonly level: string
    readonly code: string
    readonly message: string
    readonly facts?: unknown
  }[]
  /** `name{label,label}` → how often. */
  readonly counts: Map<string, number>
  reload(wishes?: readonly PluginWish[], gatewayConfig?: Record<string, unknown>): Promise<readonly Diagnostic[]>
  wishes: PluginWish[]
  close(): void
}

/** Each source is the body of a CommonJS module; its plugin's settings are empty unless given. */
export async function hostOf(
  sources: Readonly<Record<string, string>>,
  options: {
    readonly settings?: Readonly<Record<string, Record<string, unknown>>>
    readonly folder?: string
  } & Partial<PluginHostOptions> = {},
): Promise<TestHost> {
  const made = options.folder === undefined
  const folder = options.folder ?? mkdtempSync(join(tmpdir(), 'gantry-test-plugins-'))
  const wishes: PluginWish[] = []
  for (const [name, source] of Object.entries(sources)) {
    const file = join(folder, 'plugins', `${name}.js`)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, source)
    wishes.push({ name, package: `./plugins/${name}`, settings: options.settings?.[name] ?? {}, from: folder })
  }
  const seen: TestHost['events'][number][] = []
  const events: Events = {
    emit: (level, code, message, facts) => void seen.push({ level, code, message, facts }),
    diagnostic: () => undefined,
  }
  const counts = new Map<string, number>()
  const metrics: Metrics = {
    counter:
      (name) =>
      (labels, amount = 1) => {
        const key = `${name}{${labels.join(',')}}`
        counts.set(key, (counts.get(key) ?? 0) + amount)
      },
    histogram: () => () => undefined,
    gauge: () => undefined,
  }
  const expressions: Expressions = options.expressions ?? {
    compile: (_kind, source) => ({ evaluate: (exchange) => `${source} of ${exchange.request.target}` }),
    finish: () => undefined,
  }
  const host = createPlugins({ services: () => ({}), ...options, events, metrics, expressions })
  const configuration = (gatewayConfig: Record<string, unknown>): Parameters<PluginHost['load']>[1] => ({
    folder,
    gatewayConfig,
    systemConfig: {},
    models: {},
  })
  const diagnostics = await host.load(wishes, configuration({ apiEndpoints: { a: {}, b: {} } }))
  return {
    host,
    folder,
    diagnostics,
    events: seen,
    counts,
    wishes,
    reload: (again = wishes, gatewayConfig = { apiEndpoints: {} }) => host.load(again, configuration(gatewayConfig)),
    close: () => {
      host.close()
      if (made) rmSync(folder, { recursive: true, force: true })
    },
  }
}
