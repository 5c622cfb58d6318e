/** The variables that are not about routing: admin API and log. Environment → settings, or what is wrong with it. Pure. */
import { isLoopback } from '../../admin/server.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { logLevels } from '../../runtime/settings.ts'

export const ownVariables = [
  { name: 'GANTRY_ADMIN_PORT', standard: '9876', summary: 'of the admin API; off: none' },
  { name: 'GANTRY_ADMIN_ADDRESS', standard: '127.0.0.1', summary: 'where it listens; off loopback it needs a token' },
  { name: 'GANTRY_ADMIN_TOKEN', standard: '', summary: 'its bearer token' },
  { name: 'GANTRY_LOG_LEVEL', standard: 'info', summary: 'debug, info, warn, error or silent' },
  { name: 'GANTRY_NGINX', standard: 'nginx', summary: 'the program that the nginx target starts' },
  { name: 'GANTRY_NGINX_FOLDER', standard: '', summary: 'of its configuration and sockets; else a new temporary one' },
]

export interface OwnSettings {
  readonly level: string
  /** Undefined: none. */
  readonly admin: { readonly address: string; readonly port: number; readonly token?: string } | undefined
}

/** An empty variable is one that is not set. */
export function readOwnVariables(
  environment: Readonly<Record<string, string | undefined>>,
): OwnSettings | readonly Diagnostic[] {
  const get = (name: string): string =>
    environment[name] || (ownVariables.find((one) => one.name === name)?.standard ?? '')
  const wrong: Diagnostic[] = []
  const refuse = (name: string, message: string, hint: string): void => {
    wrong.push({ code: 'dispatcher/environment', severity: 'error', message: `${name}: ${message}`, hint })
  }
  const level = get('GANTRY_LOG_LEVEL')
  if (!logLevels.some((one) => one === level))
    refuse('GANTRY_LOG_LEVEL', `"${level}" is not a level`, `one of ${logLevels.join(', ')}`)
  const port = get('GANTRY_ADMIN_PORT')
  if (port !== 'off' && !(/^[0-9]{1,5}$/.test(port) && Number(port) <= 65_535))
    refuse('GANTRY_ADMIN_PORT', `"${port}" is not a port`, 'a number up to 65535, or off')
  const [address, token] = [get('GANTRY_ADMIN_ADDRESS'), get('GANTRY_ADMIN_TOKEN')]
  if (port !== 'off' && token === '' && !isLoopback(address))
    refuse(
      'GANTRY_ADMIN_ADDRESS',
      `on ${address} everybody could ask the admin API, for GANTRY_ADMIN_TOKEN is not set`,
      'set a token, or leave the address out: 127.0.0.1',
    )
  if (wrong.length > 0) return wrong
  if (port === 'off') return { level, admin: undefined }
  return { level, admin: { address, port: Number(port), ...(token === '' ? {} : { token }) } }
}
