/** The numbers of HTTP/2 (RFC 9113 §6, §7, §11), and frames as latin1 text. Pure. */

export const TYPE = {
  data: 0,
  headers: 1,
  priority: 2,
  reset: 3,
  settings: 4,
  push: 5,
  ping: 6,
  goaway: 7,
  update: 8,
  continuation: 9,
} as const

export const FLAG = { endStream: 1, ack: 1, endHeaders: 4, padded: 8, priority: 32 } as const

export const ERROR = {
  none: 0,
  protocol: 1,
  internal: 2,
  flowControl: 3,
  streamClosed: 5,
  frameSize: 6,
  refused: 7,
  cancel: 8,
  compression: 9,
  calm: 11,
} as const

export const SETTING = {
  tableBytes: 1,
  push: 2,
  streams: 3,
  window: 4,
  frameBytes: 5,
  listBytes: 6,
  noPriorities: 9,
} as const

/** Of a payload: what everybody must take, and all that we take. */
export const FRAME_BYTES = 16_384
export const HEAD_BYTES = 9
/** RFC 9113 §6.9.1. */
export const WINDOW_MOST = 2_147_483_647
export const WINDOW_FIRST = 65_535

export const PREFACE = 'PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n'

/** `id` as writeId has made it. */
export function frameHead(length: number, type: number, flags: number, id: string): string {
  return String.fromCharCode(length >>> 16, (length >>> 8) & 0xff, length & 0xff, type, flags) + id
}

export function four(value: number): string {
  return String.fromCharCode(value >>> 24, (value >>> 16) & 0xff, (value >>> 8) & 0xff, value & 0xff)
}

/** The reverse: four bytes, unsigned. */
export function number(bytes: Buffer, at: number): number {
  return ((bytes[at]! << 24) | (bytes[at + 1]! << 16) | (bytes[at + 2]! << 8) | bytes[at + 3]!) >>> 0
}

/** The head block of a stream: as many frames as it takes. */
export function headersFrames(id: string, block: string, flags: number): string {
  if (block.length <= FRAME_BYTES) return frameHead(block.length, TYPE.headers, flags | FLAG.endHeaders, id) + block
  let text = frameHead(FRAME_BYTES, TYPE.headers, flags, id) + block.slice(0, FRAME_BYTES)
  for (let at = FRAME_BYTES; at < block.length; at += FRAME_BYTES) {
    const piece = block.slice(at, at + FRAME_BYTES)
    const last = at + FRAME_BYTES >= block.length
    text += frameHead(piece.length, TYPE.continuation, last ? FLAG.endHeaders : 0, id) + piece
  }
  return text
}

const CONNECTION = four(0)

export function settingsFrame(settings: readonly (readonly [setting: number, value: number])[]): string {
  const text = settings.map(([setting, value]) => String.fromCharCode(setting >>> 8, setting & 0xff) + four(value))
  return frameHead(text.length * 6, TYPE.settings, 0, CONNECTION) + text.join('')
}

export const SETTINGS_ACK = frameHead(0, TYPE.settings, FLAG.ack, CONNECTION)

export function pingFrame(payload: string, flags: number): string {
  return frameHead(8, TYPE.ping, flags, CONNECTION) + payload
}

export function goawayFrame(last: number, code: number): string {
  return frameHead(8, TYPE.goaway, 0, CONNECTION) + four(last) + four(code)
}

export function resetFrame(id: string, code: number): string {
  return frameHead(4, TYPE.reset, 0, id) + four(code)
}

/** `id` of CONNECTION_ID: of the connection. */
export function updateFrame(id: string, bytes: number): string {
  return frameHead(4, TYPE.update, 0, id) + four(bytes)
}

export const CONNECTION_ID = CONNECTION
