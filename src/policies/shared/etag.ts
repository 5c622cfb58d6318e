/** A fixed body → its ETag as Express makes it, and whether a client holds it. Pure. */
import { createHash } from 'node:crypto'

/** Length and digest, as Express writes them: clients that hold one from there keep it. */
export function weakTag(body: string): string {
  const bytes = Buffer.from(body)
  const digest = createHash('sha1').update(bytes).digest('base64').slice(0, 27)
  return `W/"${bytes.length.toString(16)}-${digest}"`
}

/** `held`: the value of If-None-Match. RFC 9110 13.1.2, weak comparison. */
export function holdsTag(held: string, tag: string): boolean {
  const opaque = tag.slice(2)
  return held.trim() === '*' || held.split(',').some((one) => one.trim().replace(/^W\//, '') === opaque)
}
