/** An error that middleware has thrown or passed on → the page that Express answers with. Pure. */
import { STATUS_CODES } from 'node:http'
import type { Reply } from '../../policies/policy.ts'

/**
 * Status as Express takes it: `err.status` or `err.statusCode` where it is 400 to 599, else 500; also `err.headers`.
 * The page names the status only: a stack trace is shown where NODE_ENV is `development`, never by default.
 */
export function errorPage(error: unknown, environment: string | undefined = process.env['NODE_ENV']): Reply {
  const status = statusOf(error)
  const text =
    environment === 'development' && error instanceof Error
      ? (error.stack ?? error.message)
      : (STATUS_CODES[status] ?? '')
  const body =
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n<title>Error</title>\n</head>\n<body>\n' +
    `<pre>${escape(text).replaceAll('\n', '<br>').replaceAll('  ', ' &nbsp;')}</pre>\n</body>\n</html>\n`
  return {
    kind: 'reply',
    status,
    headers: [
      ...ownHeaders(error),
      ['Content-Security-Policy', "default-src 'none'"],
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Type', 'text/html; charset=utf-8'],
    ],
    body,
  }
}

export function statusOf(error: unknown): number {
  const { status, statusCode } = (typeof error === 'object' && error !== null ? error : {}) as Record<string, unknown>
  for (const value of [status, statusCode]) {
    if (typeof value === 'number' && Number.isInteger(value) && value >= 400 && value < 600) return value
  }
  return 500
}

function ownHeaders(error: unknown): readonly (readonly [string, string])[] {
  const headers = (error as { headers?: unknown } | null | undefined)?.headers
  if (typeof headers !== 'object' || headers === null) return []
  return Object.entries(headers)
    .filter(
      ([name, value]) => /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name) && ['string', 'number'].includes(typeof value),
    )
    .filter(([name, value]) => !/^(content-|transfer-encoding)/i.test(name) && !/[\r\n\0]/.test(String(value)))
    .map(([name, value]) => [name, String(value)] as const)
}

function escape(text: string): string {
  const entities: Readonly<Record<string, string>> = {
    '&': '&amp;',
    '<': '&lt;',
    '>': '&gt;',
    '"': '&quot;',
    "'": '&#39;',
  }
  return text.replace(/[&<>"']/g, (sign) => entities[sign] ?? sign)
}
