/** A condition of the model → a function of the exchange. Throws for one that cannot be: the route then fails closed. */
import type { Condition, ValueMatch } from '../model/model.ts'
import { compilePattern } from '../lib/regexp/pattern.ts'
import type { CompileContext, CompiledCondition, Exchange } from './policy.ts'
import { Refusal } from './policy.ts'
import { compileBodySchema } from './shared/body-schema.ts'
import { compileGlob } from './shared/glob.ts'

/** A promise comes out only of what must read a body or ask a plugin. */
export function compileCondition(condition: Condition, context: CompileContext): CompiledCondition {
  switch (condition.kind) {
    case 'all':
      return sequence(condition.of, context, { until: false })
    case 'any':
      return sequence(condition.of, context, { until: true })
    case 'not': {
      const inner = compileCondition(condition.of, context)
      return (exchange) => {
        const holds = inner(exchange)
        return typeof holds === 'boolean' ? !holds : holds.then((known) => !known)
      }
    }
    case 'constant':
      return () => condition.value
    case 'method': {
      const methods = new Set(condition.methods)
      return (exchange) => methods.has(exchange.request.method)
    }
    case 'target':
      return compileTarget(condition.value)
    case 'host': {
      const matches = compileGlob(condition.glob)
      return (exchange) => matches(exchange.request.headers.get('host') ?? '')
    }
    case 'authenticated':
      return (exchange) => exchange.consumer !== undefined
    case 'client-certificate':
      return (exchange) => exchange.connection.clientCertificate === 'verified'
    case 'expression': {
      if (condition.language !== 'javascript') {
        throw new Error(`a condition in ${condition.language} cannot be evaluated here`)
      }
      const expression = context.services.expressions.compile('expression', condition.source)
      return (exchange) => Boolean(expression.evaluate(exchange))
    }
    case 'body-schema':
      return compileBodySchema(
        condition.schema,
        {
          logErrors: condition.logErrors === true,
          ...(condition.documents === undefined ? {} : { documents: condition.documents }),
        },
        context,
      )
    case 'plugin': {
      const found = context.services.plugins.condition(condition.name)
      if (found === undefined) throw new Error(`no plugin brings a condition ${JSON.stringify(condition.name)}`)
      return found.compile(condition.config)
    }
  }
}

/** One after the other, until one is as `until` says; synchronous as long as they are. */
function sequence(
  conditions: readonly Condition[],
  context: CompileContext,
  { until }: { readonly until: boolean },
): CompiledCondition {
  const compiled = conditions.map((one) => compileCondition(one, context))
  const from = (exchange: Exchange, start: number): boolean | Promise<boolean> => {
    for (let at = start; at < compiled.length; at++) {
      const holds = compiled[at]?.(exchange)
      if (holds instanceof Promise) return holds.then((known) => (known === until ? until : from(exchange, at + 1)))
      if (holds === until) return until
    }
    return !until
  }
  return (exchange) => from(exchange, 0)
}

function compileTarget(value: ValueMatch): CompiledCondition {
  switch (value.kind) {
    case 'exact':
      return (exchange) => exchange.request.target === value.value
    case 'present':
      return (exchange) => exchange.request.target !== ''
    case 'regexp': {
      const pattern = compilePattern(value.source)
      if (pattern.kind === 'bad') throw new Error(`target ${JSON.stringify(value.source)}: ${pattern.why}`)
      const { regexp, limit } = pattern
      return (exchange) => {
        // neither yes nor no is safe to say of a target that cannot be looked at
        if (exchange.request.target.length > limit)
          throw new Refusal(414, 'the target is too long for a condition on it')
        return regexp.test(exchange.request.target)
      }
    }
  }
}
