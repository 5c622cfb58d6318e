/** A JSON schema → a condition on the body of the request. */
import { Ajv } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import type { CompileContext, CompiledCondition, Exchange } from '../policy.ts'
import { mediaType } from './bearer.ts'
import { decoded, readJson } from './body.ts'
import { readForm } from './form.ts'

const limit = 102_400

/**
 * JSON and forms are read (up to 100 kB; more is 413, rubbish 400); any other body, and none, counts as `{}`. Texts that mean numbers or truth
 * count as such, as forms have nothing else. The body is forwarded as it came.
 */
export function compileBodySchema(
  schema: Readonly<Record<string, unknown>>,
  options: { readonly logErrors: boolean },
  context: CompileContext,
): CompiledCondition {
  const validator = new (dialect(schema['$schema']))({
    coerceTypes: true,
    useDefaults: true,
    allErrors: options.logErrors,
    strict: false,
    allowUnionTypes: true,
    // a schema must not be able to write into our log by itself
    logger: false,
  })
  formats.default(validator)
  const { $schema: _dialect, ...rest } = schema
  const validate = validator.compile(rest)
  const { events } = context.services

  const check = (body: unknown, exchange: Exchange): boolean => {
    const valid = validate(body)
    if (!valid && options.logErrors) {
      events.emit('warn', 'condition/body-schema', validator.errorsText(validate.errors), { route: exchange.route.id })
    }
    return valid
  }
  return (exchange) => {
    const { body, headers } = exchange.request
    const type = mediaType(headers.get('content-type'))
    const isForm = type === 'application/x-www-form-urlencoded'
    if (body.empty || !(isForm || type === 'application/json' || type.endsWith('+json'))) return check({}, exchange)
    return body.read(limit).then(async (sent) => {
      const bytes = await decoded(sent, headers.get('content-encoding'), limit)
      if (bytes === undefined) return check({}, exchange)
      const text = bytes.toString('utf8')
      return check(isForm ? readForm(text) : readJson(text), exchange)
    })
  }
}

function dialect(name: unknown): typeof Ajv {
  const text = typeof name === 'string' ? name : ''
  if (text.includes('2020-12')) return Ajv2020 as unknown as typeof Ajv
  return text.includes('2019-09') ? (Ajv2019 as unknown as typeof Ajv) : Ajv
}
