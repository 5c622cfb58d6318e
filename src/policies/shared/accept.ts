/** An Accept header and the types that we have, best first → the one to send (RFC 9110 12.5.1). Pure. */

/** Without a header, and where nothing of ours is accepted: our first. An answer in another type helps more than none. */
export function preferredType(accept: string | undefined, ours: readonly [string, ...string[]]): string {
  if (accept === undefined) return ours[0]
  const ranges = accept.split(',').map(readRange)
  let best: string = ours[0]
  let bestQuality = 0
  for (const type of ours) {
    const quality = qualityOf(type, ranges)
    if (quality > bestQuality) {
      best = type
      bestQuality = quality
    }
  }
  return best
}

interface Range {
  readonly type: string
  readonly quality: number
}

function readRange(text: string): Range {
  const [type = '', ...parameters] = text.split(';').map((part) => part.trim().toLowerCase())
  const said = parameters.find((parameter) => parameter.startsWith('q='))
  const quality = said === undefined ? 1 : Number(said.slice(2))
  return { type, quality: Number.isFinite(quality) ? quality : 0 }
}

/** The most specific range decides. */
function qualityOf(type: string, ranges: readonly Range[]): number {
  const family = `${type.slice(0, type.indexOf('/'))}/*`
  for (const wanted of [type, family, '*/*']) {
    const range = ranges.find((one) => one.type === wanted)
    if (range !== undefined) return range.quality
  }
  return 0
}
