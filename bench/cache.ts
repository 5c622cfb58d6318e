/** Where programs for the bench are kept between runs: outside the checkout. */
import { homedir } from 'node:os'
import { join } from 'node:path'

export function cacheFolder(): string {
  return process.env['GANTRY_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry')
}
