/** What gRPC says in place of HTTP statuses and times: github.com/grpc/grpc, PROTOCOL-HTTP2 and http-grpc-status-mapping. Pure. */
import type { EngineExchange } from '../exchange.ts'

/** application/grpc and application/grpc+proto, not application/grpc-web. */
export function isGrpc(contentType: string | undefined): boolean {
  if (contentType === undefined || !contentType.startsWith('application/grpc')) return false
  return contentType.length === 16 || '+; \t'.includes(contentType.charAt(16))
}

const INTERNAL = 13

/** The `grpc-status` of an answer of ours. A deadline of ours is one of the caller's, a limit says to come again. */
export function grpcStatus(status: number, failure: string | undefined): number {
  switch (status) {
    case 400:
    case 413:
    case 415:
    case 431:
      return INTERNAL
    case 401:
      return 16
    case 403:
      return 7
    case 404:
    case 405:
      return 12
    case 429:
    case 502:
    case 503:
      return 14
    case 504:
      return failure?.startsWith('timeout: request') === true ? 4 : 14
    case 500:
      // a reference that cannot be resolved, in HTTP's words; a policy that fails is ours
      return failure === 'backend-unresolved' || failure === 'no-backend' ? 14 : 2
    default:
      return 2
  }
}

/** Percent-encoded as PROTOCOL-HTTP2 wants it: everything outside of printable ASCII, and the percent sign. */
export function grpcMessage(text: string): string {
  return [...Buffer.from(text.trim())]
    .map((byte) =>
      byte >= 0x20 && byte <= 0x7e && byte !== 0x25
        ? String.fromCharCode(byte)
        : `%${byte.toString(16).toUpperCase().padStart(2, '0')}`,
    )
    .join('')
}

const UNITS: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1000, m: 1, u: 0.001, n: 0.000001 }

/** `grpc-timeout` in milliseconds, at least 1; 0 where it says nothing that has a meaning. */
export function grpcTimeout(text: string): number {
  const match = /^(\d{1,8})([HMSmun])$/.exec(text)
  return match === null ? 0 : Math.max(1, Number(match[1]) * UNITS[match[2]!]!)
}

export function isGrpcExchange(exchange: EngineExchange): boolean {
  const { request } = exchange
  return request.version === '2' && isGrpc(request.headers.get('content-type'))
}
