/** An exchange → the `req` and `res` of Node and Express, on a socket that is none. */
import { IncomingMessage, ServerResponse } from 'node:http'
import type { Exchange } from '../../policies/policy.ts'
import type { ExpressApp, ExpressRequest, ExpressResponse } from '../types.ts'
import { initializePassport, parseQuery } from './express.ts'
import { type NodeHeaders, toRawHeaders } from './headers.ts'
import { equip, type Sink } from './response.ts'
import type { ClientSocket } from './socket.ts'

/** `read`: somebody wants the body of it. */
export function makeRequest(
  exchange: Exchange,
  app: ExpressApp,
  socket: ClientSocket,
  headers: NodeHeaders,
  read: (request: ExpressRequest) => void,
): ExpressRequest {
  const { request } = exchange
  const made = Object.setPrototypeOf(new IncomingMessage(socket as never), app.request) as ExpressRequest
  made.httpVersion = request.version === '2' ? '2.0' : request.version
  made.httpVersionMajor = request.version === '2' ? 2 : 1
  made.httpVersionMinor = request.version === '1.1' ? 1 : 0
  made.method = request.method
  made.url = request.target
  made.originalUrl = request.originalTarget
  made.baseUrl = ''
  made.headers = { ...headers } as typeof made.headers
  made.rawHeaders = toRawHeaders(request.headers)
  if (exchange.consumer !== undefined) made.user = exchange.consumer
  initializePassport(made)
  // asking for it makes Express note the parsed target, which plugins look at under its own name
  void made.path
  made.query = parseQuery(app, request.query)
  made._read = () => read(made)
  made._destroy = (error, callback) => {
    if (!made.complete) socket.destroy()
    callback(error)
  }
  return made
}

export function makeResponse(
  request: ExpressRequest,
  app: ExpressApp,
  socket: ClientSocket,
  sink: Sink,
): ExpressResponse {
  const made = new ServerResponse(request) as ExpressResponse
  Object.setPrototypeOf(made, app.response)
  Object.assign(made, { socket })
  equip(made, sink)
  return made
}
