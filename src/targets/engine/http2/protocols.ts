/** Connections that turn out to speak HTTP/2, by ALPN or by the preface → HTTP/2 connections. */
import type { OtherProtocols } from '../listeners.ts'
import { Http2Connection } from './connection.ts'

export const http2: OtherProtocols = {
  alpn: ['h2'],
  takeAlpn: (socket, open) => new Http2Connection(socket, open, undefined),
  takePreface: (socket, first, open) => new Http2Connection(socket, open, first),
}
