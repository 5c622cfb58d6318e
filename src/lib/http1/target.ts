/** Request target and Host → what they mean, or why they are refused (RFC 9112 §3.2, RFC 3986). Pure. */

/** The parts of an absolute-form target; undefined where it is none that we take. */
export function splitAbsolute(target: string): { readonly authority: string; readonly rest: string } | undefined {
  const start = /^https?:\/\//i.exec(target)?.[0].length
  if (start === undefined) return undefined
  let end = start
  while (end < target.length && target[end] !== '/' && target[end] !== '?') end++
  const authority = target.slice(start, end)
  const rest = target.slice(end)
  if (authority.length === 0) return undefined
  return { authority, rest: rest.startsWith('/') ? rest : `/${rest}` }
}

/**
 * Host in lower case, without port and trailing dot; undefined where it is no host: user information, a bad port, a
 * path, an empty name, a list.
 */
export function hostOf(authority: string): string | undefined {
  let end = authority.length
  let lower = true
  let colon = -1
  if (authority.charCodeAt(0) === 0x5b) {
    const match = /^(\[[0-9a-fA-F:.]+\])(?::(\d{0,5}))?$/.exec(authority)
    if (match === null || Number(match[2] ?? 0) > 65535) return undefined
    return match[1]!.toLowerCase()
  }
  for (let at = 0; at < end; at++) {
    const code = authority.charCodeAt(at)
    if ((code >= 97 && code <= 122) || (code >= 48 && code <= 57) || code === 45 || code === 46 || code === 95) continue
    if (code >= 65 && code <= 90) {
      lower = false
      continue
    }
    if (code === 58) {
      colon = at
      break
    }
    return undefined
  }
  if (colon >= 0) {
    if (end - colon > 6) return undefined
    let port = 0
    for (let at = colon + 1; at < end; at++) {
      const digit = authority.charCodeAt(at) - 48
      if (digit < 0 || digit > 9) return undefined
      port = port * 10 + digit
    }
    if (port > 65535) return undefined
    end = colon
  }
  if (end > 0 && authority.charCodeAt(end - 1) === 46) end--
  if (end === 0 || authority.charCodeAt(end - 1) === 46) return undefined
  const host = end === authority.length ? authority : authority.slice(0, end)
  return lower ? host : host.toLowerCase()
}

/**
 * Is there only one reading of this path? Refused: dot segments (also percent-encoded, also behind an encoded slash
 * or backslash), a raw backslash, an encoded NUL, a percent sign that encodes nothing.
 */
export function isPlainPath(target: string, end: number): boolean {
  let suspicious = false
  for (let at = 0; at < end; at++) {
    const code = target.charCodeAt(at)
    if (code === 0x5c) return false
    if (code === 0x25) {
      const value = hex(target.charCodeAt(at + 1)) * 16 + hex(target.charCodeAt(at + 2))
      if (at + 2 >= end || !(value > 0)) return false
      if (value === 0x2e || value === 0x2f || value === 0x5c) suspicious = true
    } else if (code === 0x2e && (at === 0 || target.charCodeAt(at - 1) === 0x2f)) {
      suspicious = true
    }
  }
  if (!suspicious) return true
  const decoded = target
    .slice(0, end)
    .replaceAll(/%2e/gi, '.')
    .replaceAll(/%2f|%5c/gi, '/')
  return !/(?:^|\/)\.{1,2}(?:\/|;|$)/.test(decoded)
}

function hex(code: number): number {
  if (code >= 48 && code <= 57) return code - 48
  const lower = code | 32
  return lower >= 97 && lower <= 102 ? lower - 87 : Number.NaN
}
