/** What a plugin logs → events, under the plugin's name. */
import { format } from 'node:util'
import type { Events } from '../policies/services.ts'
import type { PluginLogger } from './types.ts'

const levels: Readonly<Record<string, 'debug' | 'info' | 'warn' | 'error'>> = {
  error: 'error',
  warn: 'warn',
  info: 'info',
  http: 'debug',
  verbose: 'debug',
  debug: 'debug',
  silly: 'debug',
}

export function createLogger(events: Events, plugin: string): PluginLogger {
  const log = (level: string, ...words: unknown[]): void =>
    events.emit(levels[level] ?? 'info', 'plugin/log', format(...words), { plugin })
  return {
    log,
    error: (...words) => log('error', ...words),
    warn: (...words) => log('warn', ...words),
    info: (...words) => log('info', ...words),
    verbose: (...words) => log('verbose', ...words),
    debug: (...words) => log('debug', ...words),
    silly: (...words) => log('silly', ...words),
  }
}
