/** The shape of what answers a request of an HTTP server that several share. Types only. */
import type { IncomingMessage, ServerResponse } from 'node:http'

/** Tried in order; the first that returns true has taken the request. */
export type Handler = (request: IncomingMessage, response: ServerResponse, url: URL) => boolean | Promise<boolean>
