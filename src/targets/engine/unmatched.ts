/** The page that Express prints where no route is, for people who move from it and compare. Pure. */
import type { Reply } from '../../policies/policy.ts'

export function expressNotFound(method: string, target: string): Reply {
  const end = target.indexOf('?')
  const path = end < 0 ? target : target.slice(0, end)
  const body = [
    '<!DOCTYPE html>',
    '<html lang="en">',
    '<head>',
    '<meta charset="utf-8">',
    '<title>Error</title>',
    '</head>',
    '<body>',
    `<pre>Cannot ${escape(method)} ${escape(path)}</pre>`,
    '</body>',
    '</html>',
    '',
  ].join('\n')
  return {
    kind: 'reply',
    status: 404,
    headers: [
      ['Content-Security-Policy', "default-src 'none'"],
      ['X-Content-Type-Options', 'nosniff'],
      ['Content-Type', 'text/html; charset=utf-8'],
    ],
    body,
  }
}

function escape(text: string): string {
  return text.replaceAll(/[&<>"']/g, (character) => `&#${character.charCodeAt(0)};`)
}
