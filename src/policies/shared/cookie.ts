/** A Cookie header and a name → the value of that cookie (RFC 6265 4.2); undefined for none, and for two that differ. Pure. */
export function cookieValue(header: string | undefined, name: string): string | undefined {
  if (header === undefined) return undefined
  let found: string | undefined
  for (const pair of header.split(';')) {
    const equals = pair.indexOf('=')
    if (equals === -1 || pair.slice(0, equals).trim() !== name) continue
    const text = pair.slice(equals + 1).trim()
    const value = text.length > 1 && text.startsWith('"') && text.endsWith('"') ? text.slice(1, -1) : text
    if (found !== undefined && found !== value) return undefined
    found = value
  }
  return found
}
