/** Bytes ↔ latin1 text without the detour that Buffer.toString makes over the name of the encoding. */

interface Sliceable {
  latin1Slice(start: number, end: number): string
}

export function latin1(buffer: Buffer, start: number, end: number): string {
  // in every Node since 0.x; its types leave it out
  return (buffer as Buffer & Sliceable).latin1Slice(start, end)
}
