/** Any DNS query on port 53/UDP → an answer without records: what the suite v1.6 wants of its coredns image. */
import { createSocket } from 'node:dgram'

const socket = createSocket('udp4')
socket.on('message', (query, from) => {
  if (query.length < 12) return
  const answer = Buffer.from(query)
  answer.writeUInt8(answer.readUInt8(2) | 0x80, 2) // RFC 1035 4.1.1: QR
  socket.send(answer, from.port, from.address)
})
socket.bind(53)
