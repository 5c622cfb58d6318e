/**
 * Long pieces that connections read → which of them must wait for a later turn of the event loop.
 *
 * Libuv reads a socket that has more up to 32 times before it looks at the next one, and looks at all before anybody else's
 * turn comes: hundreds of long transfers make a turn of seconds, and a request needs several.
 */

/** Bytes of one connection in a turn. */
const SHARE = 262_144
/** Bytes of all connections in a turn, beyond which each gets one piece. */
const TURN = 2_097_152
/** Shorter pieces are what is there: nothing more of that connection is read in this turn. */
const LONG = 8192

export interface Reader {
  /** Of the turn that `turn` names. */
  turn: number
  turnBytes: number
  /** Its turn has come. */
  readOn(): void
}

let current = 0
let total = 0
let ends = false
let queue: Reader[] = []

/** Has it read enough? Then it reads no more until `readOn`, which comes once. */
export function hasHadItsTurn(reader: Reader, bytes: number): boolean {
  if (bytes < LONG) return false
  if (reader.turn !== current) {
    reader.turn = current
    reader.turnBytes = 0
  }
  reader.turnBytes += bytes
  total += bytes
  if (!ends) {
    ends = true
    setImmediate(endTurn)
  }
  if (reader.turnBytes < SHARE && total < TURN) return false
  queue.push(reader)
  return true
}

function endTurn(): void {
  ends = false
  current++
  total = 0
  const next = queue.slice(0, TURN / SHARE)
  queue = queue.slice(next.length)
  if (queue.length > 0) {
    ends = true
    setImmediate(endTurn)
  }
  for (const reader of next) reader.readOn()
}
