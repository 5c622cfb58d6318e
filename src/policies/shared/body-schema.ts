/** A JSON schema → a condition on the body of the request. */
import { Ajv } from 'ajv'
import { Ajv2019 } from 'ajv/dist/2019.js'
import { Ajv2020 } from 'ajv/dist/2020.js'
import formats from 'ajv-formats'
import { compilePattern } from '../../lib/regexp/pattern.ts'
import { type CompileContext, type CompiledCondition, type Exchange, Refusal } from '../policy.ts'
import { mediaType } from './bearer.ts'
import { decoded, readJson } from './body.ts'
import { readForm } from './form.ts'

const limit = 102_400

/**
 * JSON and forms are read (up to 100 kB; more is 413, rubbish 400); any other body, and none, counts as `{}`. Texts that mean numbers or truth
 * count as such, as forms have nothing else. The body is forwarded as it came. Throws where a `pattern` could be made to run for ever.
 */
export function compileBodySchema(
  schema: Readonly<Record<string, unknown>>,
  options: {
    readonly logErrors: boolean
    readonly documents?: Readonly<Record<string, Readonly<Record<string, unknown>>>>
  },
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
    code: { regExp: boundedPattern },
  })
  formats.default(validator)
  for (const [url, { $schema: _theirs, ...document }] of Object.entries(options.documents ?? {})) {
    validator.addSchema(document, url)
  }
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

/**
 * `pattern` of a schema, over texts of strangers: one that could be made to run for ever throws. Of a longer text than it
 * may safely be given neither yes nor no is safe to say: 413.
 */
function boundedPattern(source: string, flags: string): { test(text: string): boolean; toString(): string } {
  const regexp = new RegExp(source, flags)
  // classes of Unicode are no JavaScript without its flag; for how long a search takes they are as good as \S
  const pattern = compilePattern(source.replaceAll(/\\[pP]\{[^}]*\}|\\u\{[0-9a-fA-F]+\}/g, '\\S'))
  if (pattern.kind === 'bad') throw new Error(`the pattern ${JSON.stringify(source)}: ${pattern.why}`)
  const test = (text: string): boolean => {
    if (text.length > pattern.limit) throw new Refusal(413, 'a text in the body is too long for its pattern')
    return regexp.test(text)
  }
  return { test, toString: () => String(regexp) }
}
/** Ajv writes this into code that it generates to be kept; ours is not kept. */
boundedPattern.code = 'boundedPattern'

function dialect(name: unknown): typeof Ajv {
  const text = typeof name === 'string' ? name : ''
  if (text.includes('2020-12')) return Ajv2020 as unknown as typeof Ajv
  return text.includes('2019-09') ? (Ajv2019 as unknown as typeof Ajv) : Ajv
}
