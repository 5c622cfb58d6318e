/** A configured value → a function of the exchange that gives it, or undefined for none. */
import type { CompileContext, Exchange } from '../policy.ts'
import type { BodyValue, Value } from './schema.ts'

/** Literal texts are `text`, so that callers can do with them what need not wait for a request. */
export type CompiledValue =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'computed'; readonly of: (exchange: Exchange) => string | undefined }

export function compileValue(value: Value, context: CompileContext): CompiledValue {
  if (typeof value === 'string') return { kind: 'text', text: value }
  if ('fact' in value) return { kind: 'computed', of: facts[value.fact] }
  const compiled =
    'expression' in value
      ? context.services.expressions.compile('expression', value.expression)
      : context.services.expressions.compile('template', value.template)
  return { kind: 'computed', of: (exchange) => textOf(compiled.evaluate(exchange)) }
}

export function compileBodyValue(value: BodyValue, context: CompileContext): (exchange: Exchange) => unknown {
  if ('json' in value) {
    const { json } = value
    // a literal object must not be shared by two bodies
    return typeof json === 'object' && json !== null ? () => structuredClone(json) : () => json
  }
  const compiled =
    'expression' in value
      ? context.services.expressions.compile('expression', value.expression)
      : context.services.expressions.compile('template', value.template)
  return (exchange) => compiled.evaluate(exchange)
}

function textOf(value: unknown): string | undefined {
  if (value === undefined || value === null) return undefined
  if (typeof value === 'string') return value
  return typeof value === 'object' ? JSON.stringify(value) : String(value as number | boolean | bigint)
}

type Fact = Extract<Value, { readonly fact: string }>['fact']

const facts: Readonly<Record<Fact, (exchange: Exchange) => string | undefined>> = {
  'exchange-id': (exchange) => exchange.id,
  'client-address': (exchange) => exchange.connection.clientAddress,
  host: (exchange) => exchange.request.host,
  'host-header': (exchange) => exchange.request.headers.get('host'),
  path: (exchange) => exchange.request.path,
  target: (exchange) => exchange.request.target,
  method: (exchange) => exchange.request.method,
  scheme: (exchange) => exchange.connection.scheme,
  'consumer-id': (exchange) => (exchange.consumer?.id === undefined ? undefined : String(exchange.consumer.id)),
  route: (exchange) => exchange.route.label ?? exchange.route.id,
}
