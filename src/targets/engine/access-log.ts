/** A finished exchange → one JSON line. Built by hand: a tenth of what a logger costs, and this is paid by every request. */
import type { EngineExchange } from './exchange.ts'

/** `write` gets whole lines, several at once; call `flush` before the process ends. */
export interface AccessLog {
  record(exchange: EngineExchange): void
  flush(): void
}

const MOST = 32_768

export function createAccessLog(write: (lines: string) => void): AccessLog {
  let lines = ''
  let waiting = false
  const flush = (): void => {
    waiting = false
    if (lines === '') return
    const out = lines
    lines = ''
    write(out)
  }
  return {
    record(exchange) {
      lines += `${line(exchange)}\n`
      if (lines.length >= MOST) flush()
      else if (!waiting) {
        waiting = true
        setImmediate(flush)
      }
    },
    flush,
  }
}

function line(exchange: EngineExchange): string {
  const { request, response, connection } = exchange
  const end = request.originalTarget.indexOf('?')
  // a query may hold secrets
  const path = end < 0 ? request.originalTarget : request.originalTarget.slice(0, end)
  const ms = Math.round((performance.now() - exchange.begun) * 1000) / 1000
  let text = `{"time":"${time(exchange.startedAt)}","client":${quote(connection.clientAddress)},"method":${quote(request.method)},"host":${quote(request.host)},"path":${quote(path)},"status":${response.status},"bytes":${exchange.sent},"ms":${ms}`
  if (exchange.program !== undefined) text += `,"route":${quote(exchange.route.label ?? exchange.route.id)}`
  if (exchange.consumer?.id !== undefined) text += `,"consumer":${quote(exchange.consumer.id)}`
  if (exchange.knownId !== undefined) text += `,"id":"${exchange.knownId}"`
  if (exchange.upstream !== undefined) text += `,"upstream":${quote(exchange.upstream)}`
  if (exchange.tries > 1) text += `,"tries":${exchange.tries}`
  if (exchange.failure !== undefined) text += `,"failure":${quote(exchange.failure)}`
  return `${text}}`
}

let lastTime = 0
let lastText = ''

function time(at: number): string {
  if (at !== lastTime) {
    lastTime = at
    lastText = new Date(at).toISOString()
  }
  return lastText
}

const PLAIN = /^[\x20\x21\x23-\x5b\x5d-\x7e]*$/

function quote(text: string): string {
  return PLAIN.test(text) ? `"${text}"` : JSON.stringify(text)
}
