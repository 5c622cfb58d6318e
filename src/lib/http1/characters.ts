/** Which bytes may stand where in an HTTP/1.1 message (RFC 9110 §5.6.2, RFC 9112). Tables of 256, 1 for yes. */

/** tchar: what methods and field names are made of. */
export const TOKEN = table("!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz")

/** Field values: HTAB, SP, VCHAR and obs-text; no NUL, CR, LF, DEL or other control character. */
export const VALUE = range(0x20, 0xff, [0x7f], [0x09])

/** Request targets: VCHAR without `#`; bytes above 0x7e must come percent-encoded. */
export const TARGET = range(0x21, 0x7e, [0x23], [])

export function isToken(text: string): boolean {
  if (text.length === 0) return false
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code > 255 || TOKEN[code] === 0) return false
  }
  return true
}

const SHORT = 12
const NO_VALUE = /[^\t\x20-\x7e\x80-\xff]/

/** May it be written as a field value? Characters above 0xff cannot be. */
export function isValue(text: string): boolean {
  // a search in machine code pays where there is more to search than its call costs
  if (text.length > SHORT) return !NO_VALUE.test(text)
  for (let at = 0; at < text.length; at++) {
    const code = text.charCodeAt(at)
    if (code < 0x20 ? code !== 0x09 : code === 0x7f || code > 0xff) return false
  }
  return true
}

function table(characters: string): Uint8Array {
  const result = new Uint8Array(256)
  for (const character of characters) result[character.charCodeAt(0)] = 1
  return result
}

function range(from: number, to: number, without: readonly number[], also: readonly number[]): Uint8Array {
  const result = new Uint8Array(256)
  for (let code = from; code <= to; code++) result[code] = 1
  for (const code of without) result[code] = 0
  for (const code of also) result[code] = 1
  return result
}
