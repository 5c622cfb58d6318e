/** Bytes ↔ latin1 text without the detour that Buffer.toString makes over the name of the encoding. */

interface Sliceable {
  latin1Slice(start: number, end: number): string
}

export function latin1(buffer: Buffer, start: number, end: number): string {
  // in every Node since 0.x; its types leave it out
  return (buffer as Buffer & Sliceable).latin1Slice(start, end)
}

/** Where the empty line that ends a head ends, in bytes[from, end); -1 where there is none. */
export function endOfHead(bytes: Buffer, from: number, end: number): number {
  const at = bytes.indexOf(EMPTY_LINE, from)
  return at < 0 || at + 4 > end ? -1 : at + 4
}

const EMPTY_LINE = Buffer.from('\r\n\r\n')
