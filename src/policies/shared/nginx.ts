/** Names of ours → nginx's. Pure. */
import { createHash } from 'node:crypto'

/** `X-Api-Key` → `$http_x_api_key`; undefined for a name that nginx would confuse with another, or drops. */
export function headerVariable(name: string): string | undefined {
  return /^[A-Za-z0-9-]+$/.test(name) ? `$http_${name.toLowerCase().replaceAll('-', '_')}` : undefined
}

/** A name for a variable that belongs to one configuration: the same text gives the same name. */
export function variableFor(purpose: string, configuration: unknown): string {
  const digest = createHash('sha256').update(JSON.stringify(configuration)).digest('hex').slice(0, 12)
  return `$gantry_${purpose}_${digest}`
}

/** Text → a regular expression (PCRE) that takes exactly this text. */
export function escapePattern(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/#\s]/g, (sign) =>
    /\s/.test(sign) ? `\\x${sign.charCodeAt(0).toString(16).padStart(2, '0')}` : `\\${sign}`,
  )
}
