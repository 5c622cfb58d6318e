/** Connections that turn out to speak HTTP/2, by ALPN or by the preface → HTTP/2 connections. */
import type { OtherProtocols } from '../listeners.ts'
import { Wire } from '../wire.ts'
import { Http2Connection } from './connection.ts'

export const http2: OtherProtocols = {
  alpn: ['h2'],
  takeAlpn(socket, open) {
    let connection: Http2Connection | undefined
    Wire.over((wire) => (connection = new Http2Connection(wire, open)), socket)
    return connection!
  },
  takePreface(wire, first, open) {
    const connection = new Http2Connection(wire, open)
    wire.handTo(connection)
    const bytes = Buffer.from(first)
    // not before it is known to be open: these bytes may be its end
    process.nextTick(() => connection.onRead(bytes, bytes.length))
    return connection
  },
}
