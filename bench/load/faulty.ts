/** Program: a port → an HTTP/1.1 backend that fails as its `x-fault` header says. */
import { createServer, type Socket } from 'node:net'
import { answerBody } from '../materials.ts'

const answer = `HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: ${answerBody.length}\r\n\r\n${answerBody}`
const big = Buffer.alloc(1 << 20, 'x')

createServer({ noDelay: true }, (socket) => {
  let left = Buffer.alloc(0)
  socket.on('error', () => socket.destroy())
  socket.on('data', (chunk: Buffer) => {
    left = Buffer.concat([left, chunk])
    for (;;) {
      const end = left.indexOf('\r\n\r\n')
      if (end < 0) return
      const head = left.subarray(0, end).toString('latin1')
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(head)?.[1] ?? 0)
      const fault = /\r\nx-fault: *(\S+)/i.exec(head)?.[1]
      // one that dies need not have read the body
      if (fault !== 'mid-upload' && left.length < end + 4 + length) return
      left = Buffer.from(left.subarray(Math.min(left.length, end + 4 + length)))
      respond(socket, fault)
    }
  })
}).listen({ host: '127.0.0.1', port: Number(process.argv[2]), backlog: 4096 })

function respond(socket: Socket, fault: string | undefined): void {
  switch (fault) {
    case undefined:
      socket.write(answer)
      return
    case 'big':
      socket.write(`HTTP/1.1 200 OK\r\nContent-Length: ${big.length}\r\n\r\n`)
      socket.write(big)
      return
    case 'slow':
      setTimeout(() => socket.write(answer), 50)
      return
    case 'silent-end':
    case 'mid-upload':
      socket.destroy()
      return
    case 'reset':
      socket.resetAndDestroy()
      return
    case 'half-head':
      socket.end('HTTP/1.1 200 OK\r\nContent-Le')
      return
    case 'half-body':
      socket.end(`HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n${answerBody}`)
      return
    case 'half-chunk':
      socket.end(`HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1000\r\n${answerBody}`)
      return
    case 'no-http':
      socket.end('what is this\r\n\r\n')
      return
    default:
      socket.end('HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n')
  }
}
