/** Path as sent → the one way to write what it means, or undefined where it means nothing. Pure. */

/** What needs no work: no escapes, no empty or dot segments, nothing that has to be escaped. */
const PLAIN = /^(?:\/(?!\.{0,2}(?:\/|$))[!$&-.0-;=@-[\]_a-z~]*)*\/?$/

/**
 * Percent-escapes are undone, runs of slashes become one, dot segments are resolved; then what may not stand in a path is
 * escaped again (blanks, controls, `" # % < > ? \ ^ `` ` `` { | }` and everything beyond ASCII, as nginx's
 * NGX_ESCAPE_URI does). Two paths that mean the same become the same text, and one begins with the other exactly when
 * what it means does. Undefined: an escape of nothing, an escaped NUL, a path that leaves its root.
 * Characters beyond U+00FF are taken as their UTF-8, those below as bytes.
 */
export function normalPath(path: string): string | undefined {
  if (path !== '' && PLAIN.test(path)) return path
  const bytes = decodePath(path)
  if (bytes === undefined || bytes[0] !== 0x2f) return undefined
  const segments: string[] = []
  let segment = ''
  for (let at = 1; at <= bytes.length; at++) {
    const byte = bytes[at]
    if (byte !== undefined && byte !== 0x2f) {
      segment += ESCAPED[byte] ?? ''
      continue
    }
    const last = byte === undefined
    if (segment === '..') {
      if (segments.length === 0) return undefined
      segments.pop()
      if (last) segments.push('')
    } else if (segment === '.' || segment === '') {
      if (last) segments.push('')
    } else segments.push(segment)
    segment = ''
  }
  return `/${segments.join('/')}`
}

/** A normal path → the text that nginx compares with; undefined where it is no UTF-8 that could be written. */
export function decodedPath(normal: string): string | undefined {
  const bytes = decodePath(normal)
  if (bytes === undefined) return undefined
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(Uint8Array.from(bytes))
  } catch {
    return undefined
  }
}

function decodePath(path: string): number[] | undefined {
  const bytes: number[] = []
  for (let at = 0; at < path.length; at++) {
    const code = path.charCodeAt(at)
    if (code === 0x25) {
      const pair = path.slice(at + 1, at + 3)
      if (!/^[0-9a-fA-F]{2}$/.test(pair)) return undefined
      const byte = Number.parseInt(pair, 16)
      if (byte === 0) return undefined
      bytes.push(byte)
      at += 2
    } else if (code === 0) return undefined
    else if (code <= 0xff) bytes.push(code)
    else {
      const character = String.fromCodePoint(path.codePointAt(at) ?? code)
      bytes.push(...new TextEncoder().encode(character))
      at += character.length - 1
    }
  }
  return bytes
}

const ESCAPED: readonly string[] = Array.from({ length: 256 }, (_, byte) => {
  const character = String.fromCharCode(byte)
  const bad = byte <= 0x20 || byte >= 0x7f || '"#%<>?\\^`{|}'.includes(character)
  return bad ? `%${byte.toString(16).toUpperCase().padStart(2, '0')}` : character
})
