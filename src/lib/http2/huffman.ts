/** Bytes coded by the Huffman code of HPACK ↔ bytes (RFC 7541 §5.2, appendix B). Pure. */

/** Bits of the code of each byte, and of EOS, in base 36. The code is canonical: lengths say all of it. */
const LENGTHS = [
  'dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6ca',
  'd67777777777777777777777878djde6f56565666577666567655677777fbeds',
  'kmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn',
  'qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrqu',
].join('')

const EOS = 256
const codes = new Uint32Array(257)
const sizes = new Uint8Array(257)
{
  for (let symbol = 0; symbol <= EOS; symbol++) sizes[symbol] = Number.parseInt(LENGTHS[symbol]!, 36)
  let code = 0
  for (let size = 1; size <= 30; size++) {
    code *= 2
    for (let symbol = 0; symbol <= EOS; symbol++) if (sizes[symbol] === size) codes[symbol] = code++
  }
}

/** A node of the tree and four bits more → the next node, the byte that was found on the way, or that it is none. */
const NEXT = 0xff
const FOUND = 0x100
const BYTE = 9
const WRONG = 0x20000

const steps = new Uint32Array(256 * 16)
/** Nodes at which a text may end: fewer than eight bits of EOS were read since the last byte. */
const ends = new Uint8Array(256)
fillSteps()

function fillSteps(): void {
  // two numbers a node: what follows 0 and 1; nodes count from 0, leaves are -1 - symbol
  const nodes: number[] = [0, 0]
  for (let symbol = 0; symbol <= EOS; symbol++) {
    let node = 0
    for (let bit = sizes[symbol]! - 1; bit >= 0; bit--) {
      const at = node * 2 + ((codes[symbol]! >>> bit) & 1)
      if (bit === 0) nodes[at] = -1 - symbol
      else {
        if (nodes[at] === 0) {
          nodes[at] = nodes.length / 2
          nodes.push(0, 0)
        }
        node = nodes[at]!
      }
    }
  }
  for (let node = 0; node < nodes.length / 2; node++) {
    for (let bits = 0; bits < 16; bits++) {
      let at = node
      let step = 0
      for (let bit = 3; bit >= 0; bit--) {
        const next = nodes[at * 2 + ((bits >>> bit) & 1)]!
        if (next >= 0) at = next
        else {
          const symbol = -1 - next
          // RFC 7541 §5.2: EOS itself is an error
          step |= symbol === EOS ? WRONG : FOUND | (symbol << BYTE)
          at = 0
        }
      }
      steps[node * 16 + bits] = step | at
    }
  }
  for (let node = 0, depth = 0; depth < 8; depth++) {
    ends[node] = 1
    node = nodes[node * 2 + 1]!
  }
}

/** Writes what bytes[from, end) say into `into` from `at`, at most 8/5 as long. Where it ends; -1: no such code. */
export function decodeHuffman(bytes: Uint8Array, from: number, end: number, into: Uint8Array, at: number): number {
  let node = 0
  let to = at
  for (let index = from; index < end; index++) {
    const byte = bytes[index]!
    let step = steps[(node << 4) | (byte >>> 4)]!
    if ((step & (FOUND | WRONG)) !== 0) {
      if ((step & WRONG) !== 0) return -1
      into[to++] = (step >>> BYTE) & 0xff
    }
    step = steps[((step & NEXT) << 4) | (byte & 15)]!
    if ((step & (FOUND | WRONG)) !== 0) {
      if ((step & WRONG) !== 0) return -1
      into[to++] = (step >>> BYTE) & 0xff
    }
    node = step & NEXT
  }
  return ends[node] === 1 ? to : -1
}

/** Bytes that a latin1 text takes when coded. */
export function huffmanSize(text: string): number {
  let bits = 0
  for (let at = 0; at < text.length; at++) bits += sizes[text.charCodeAt(at)]!
  return (bits + 7) >>> 3
}

/** A latin1 text, coded; the bytes as latin1. */
export function encodeHuffman(text: string): string {
  let result = ''
  let pending = 0
  let bits = 0
  for (let at = 0; at < text.length; at++) {
    const symbol = text.charCodeAt(at)
    let left = sizes[symbol]!
    const code = codes[symbol]!
    while (left > 0) {
      const take = Math.min(left, 8 - bits)
      left -= take
      pending = (pending << take) | ((code >>> left) & ((1 << take) - 1))
      bits += take
      if (bits === 8) {
        result += String.fromCharCode(pending)
        pending = bits = 0
      }
    }
  }
  if (bits > 0) result += String.fromCharCode(((pending << (8 - bits)) | (0xff >>> bits)) & 0xff)
  return result
}
