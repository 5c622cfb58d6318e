/** A pipeline's step → policy uses of the model, or the action that ends the route. Pure. */
import type { Action, PolicyUse } from '../../model/model.ts'
import { Secret } from '../../model/secret.ts'
import { nearestWord } from '../../lib/yaml/words.ts'
import type { Path } from './document.ts'
import { isMapping, listOf, textOf, type Mapping } from './normalise.ts'
import type { Strip } from './pattern.ts'
import { translateProxy, type Proxies } from './proxy.ts'
import { complain, fileText, type Context } from './report.ts'
import { policySchemas, type Schema } from './schemas.ts'
import { printIssues, validate } from './validate.ts'

export interface StepContext {
  readonly object: string
  readonly path: Path
  readonly scopes: readonly string[]
  /** Asked only where something is stripped. */
  strip(): Strip
  readonly proxies: Proxies
  readonly system: Mapping
  /** How the policies of plugins that are built in are called here. */
  readonly builtIn: Readonly<Record<string, string>>
}

/** `end`: what happens then; no step behind this one is reached where it applies. */
export interface Piece {
  readonly uses: readonly PolicyUse[]
  readonly end?: Action
}

/** Undefined where the action is wrong; an error has been said then. */
export function translateAction(
  context: Context,
  policy: string,
  action: Mapping,
  step: StepContext,
): Piece | undefined {
  const schema = policySchemas[policy]
  let parameters = action
  if (schema !== undefined) {
    const checked = checkAction(context, policy, schema, action, step)
    if (checked === undefined) return undefined
    parameters = checked
  }
  const use = (name: string, config: unknown): PolicyUse => ({
    policy: name,
    config,
    origin: context.gateway.origin(step.path, step.object),
  })
  const one = (name: string, config: unknown): Piece => ({ uses: [use(name, config)] })
  const auth = {
    otherwise: parameters['passThrough'] === true ? 'anonymous' : 'refuse',
    scopes: step.scopes,
  }
  switch (policy) {
    case 'basic-auth':
      return one('basic-auth', auth)
    case 'key-auth':
      return one('key-auth', { ...auth, ...keyPlaces(parameters) })
    case 'jwt': {
      const config = jwtConfig(context, parameters, step)
      return config === undefined ? undefined : one('jwt', { ...auth, ...config })
    }
    case 'oauth2': {
      const config = oauth2(context, parameters, step)
      return config === undefined ? undefined : one(config.policy, { ...auth, ...config.config })
    }
    case 'oauth2-introspect':
      return one('oauth2-introspect', {
        ...auth,
        endpoint: parameters['endpoint'],
        ...(typeof parameters['authorization_value'] === 'string'
          ? { authorization: new Secret(parameters['authorization_value']) }
          : {}),
        timeout: Math.max(1, Number(parameters['timeout'])),
        remember: Math.max(0, Number(parameters['ttl'])) * 1000,
      })
    case 'cors': {
      const config = corsConfig(context, parameters, step)
      return config === undefined ? { uses: [] } : one('cors', config)
    }
    case 'expression':
      return one('expression', { program: parameters['jscode'] })
    case 'headers':
      return one('headers', forwardedHeaders(context, parameters, step))
    case 'log':
      return one('log', { message: parameters['message'] })
    case 'rate-limit':
      return one('rate-limit', rateLimit(parameters))
    case 'request-transformer':
    case 'response-transformer':
      return { uses: transformer(policy, parameters).map(({ name, config }) => use(name, config)) }
    case 'terminate': {
      const status = Number(parameters['statusCode'])
      if (!Number.isInteger(status) || status < 200 || status > 599) {
        return wrong(
          context,
          [...step.path, 'action', 'statusCode'],
          step,
          `${step.object}: terminate answers with ${status}, which is no status`,
          'a whole number from 200 to 599',
        )
      }
      const config = { status, body: String(parameters['message']), contentType: 'text/html; charset=utf-8' }
      return { uses: [], end: { kind: 'reply', ...config, etag: 'weak' } }
    }
    case 'proxy': {
      const proxied = translateProxy(context, parameters, step.proxies, step)
      if (proxied === undefined) return undefined
      const { forward, policies } = proxied
      if (forward === undefined) {
        const config = { status: 502, body: 'Bad Gateway', contentType: 'text/plain; charset=utf-8' }
        return { uses: [], end: { kind: 'reply', ...config } }
      }
      return { uses: policies, end: { kind: 'forward', forward } }
    }
    default:
      return foreign(policy, action, step, one)
  }
}

function checkAction(
  context: Context,
  policy: string,
  schema: Schema,
  action: Mapping,
  step: StepContext,
): Mapping | undefined {
  const { value, issues } = validate(schema, action)
  const [first] = issues
  if (first === undefined) return value as Mapping
  return wrong(
    context,
    [...step.path, 'action', ...first.path],
    step,
    `Policy ${policy} params validation failed: ${printIssues(issues)}`,
    first.path.length > 0 && first.hint !== undefined
      ? first.hint
      : `parameters of ${policy}: ${Object.keys((schema['properties'] ?? {}) as Mapping).join(', ')}`,
  )
}

function wrong(context: Context, path: Path, step: StepContext, message: string, hint?: string): undefined {
  complain(context, path, { code: 'policy-parameters', severity: 'error', message, hint }, step.object)
  return undefined
}

// --- who somebody is -------------------------------------------------------------------------------------------------

function keyPlaces(parameters: Mapping): Mapping {
  const scheme =
    parameters['disableHeadersScheme'] === true ? 'any' : { name: String(parameters['apiKeyHeaderScheme']) }
  return {
    header: parameters['disableHeaders'] === true ? false : { name: String(parameters['apiKeyHeader']), scheme },
    query: parameters['disableQueryParam'] === true ? false : String(parameters['apiKeyField']),
  }
}

function jwtConfig(context: Context, parameters: Mapping, step: StepContext): Mapping | undefined {
  let secret = parameters['secretOrPublicKey']
  const file = parameters['secretOrPublicKeyFile']
  if (typeof file === 'string') {
    secret = fileText(context, file, [...step.path, 'action', 'secretOrPublicKeyFile'])
    if (secret === undefined) return undefined
  }
  if (typeof secret !== 'string' || secret === '') {
    return wrong(
      context,
      step.path,
      step,
      `${step.object}: jwt has an empty key`,
      'secretOrPublicKey: a secret or a PEM text',
    )
  }
  const from = extractor(context, parameters, step)
  if (from === undefined) return undefined
  return {
    keys: [verificationKey(secret)],
    from,
    ...optional('algorithms', parameters['algorithms']),
    ...optional('issuer', parameters['issuer']),
    ...optional('audience', parameters['audience']),
    consumer: parameters['checkCredentialExistence'] === false ? 'claims' : 'credential',
  }
}

function verificationKey(text: string): Mapping {
  return text.trimStart().startsWith('-----BEGIN')
    ? { kind: 'pem', pem: text }
    : { kind: 'secret', secret: new Secret(text) }
}

function optional(name: string, value: unknown): Mapping {
  return value === undefined || value === null || value === '' ? {} : { [name]: value }
}

function extractor(context: Context, parameters: Mapping, step: StepContext): Mapping | undefined {
  const kind = String(parameters['jwtExtractor'])
  if (kind === 'authBearer') return { kind: 'bearer' }
  const field = parameters['jwtExtractorField']
  if (typeof field !== 'string' || field === '') {
    const what = { header: 'the header', query: 'the query parameter' }[kind] ?? 'the scheme'
    return wrong(
      context,
      [...step.path, 'action', 'jwtExtractor'],
      step,
      `${step.object}: jwt takes the token from ${kind}, but jwtExtractorField is missing`,
      `jwtExtractorField: the name of ${what}`,
    )
  }
  if (kind === 'query') return { kind: 'query', name: field }
  return kind === 'header' ? { kind: 'header', name: field } : { kind: 'scheme', scheme: field }
}

function oauth2(
  context: Context,
  parameters: Mapping,
  step: StepContext,
): { readonly policy: string; readonly config: Mapping } | undefined {
  const tokens = isMapping(step.system['accessTokens']) ? step.system['accessTokens'] : {}
  if (tokens['tokenType'] !== 'jwt') return { policy: 'oauth2', config: {} }
  const given = parameters['jwt']
  if (isMapping(given)) {
    const config = jwtConfig(context, given, step)
    if (config === undefined) return undefined
    // our own tokens name the application in a claim; a deactivated one is refused even where no credential is asked for
    const consumer = given['checkCredentialExistence'] === false ? { claim: 'consumerId' } : 'credential'
    return { policy: 'jwt', config: { ...config, consumer } }
  }
  const secret = tokens['secretOrPrivateKey']
  if (typeof secret !== 'string' || secret === '' || !textOf(tokens['algorithm'], 'HS256').startsWith('HS')) {
    return wrong(
      context,
      step.path,
      step,
      `${step.object}: access tokens are JWTs, but oauth2 does not say how they are verified`,
      'jwt: { secretOrPublicKey: … } under the action of oauth2',
    )
  }
  const config = {
    keys: [{ kind: 'secret', secret: new Secret(secret) }],
    ...optional('issuer', tokens['issuer']),
    ...optional('audience', tokens['audience']),
    consumer: { claim: 'consumerId' },
  }
  return { policy: 'jwt', config }
}

// --- cors ------------------------------------------------------------------------------------------------------------

/** Undefined: `origin: false`, which switches the policy off. */
function corsConfig(context: Context, parameters: Mapping, step: StepContext): Mapping | undefined {
  const { origin } = parameters
  if (origin === false) return undefined
  return {
    origins: corsOrigins(context, origin, step),
    methods: words(parameters['methods']),
    allowHeaders: parameters['allowedHeaders'] === undefined ? 'reflect' : words(parameters['allowedHeaders']),
    exposeHeaders: words(parameters['exposedHeaders']),
    credentials: parameters['credentials'] === true,
    ...optional('maxAge', parameters['maxAge']),
    answer: parameters['preflightContinue'] === true ? 'none' : 'options',
    withoutOrigin: 'serve',
    status: parameters['optionsSuccessStatus'],
  }
}

function corsOrigins(context: Context, origin: unknown, step: StepContext): Mapping {
  if (origin === true) return { kind: 'reflect' }
  if (origin === '*') return { kind: 'any' }
  if (typeof origin === 'string') return { kind: 'fixed', value: origin }
  const of: Mapping[] = []
  for (const [index, one] of listOf(origin).entries()) {
    if (typeof one === 'string') of.push({ kind: 'exact', value: one })
    else if (one instanceof RegExp) of.push({ kind: 'regexp', source: one.source, ignoreCase: one.flags.includes('i') })
    else {
      wrong(
        context,
        [...step.path, 'action', 'origin', index],
        step,
        `${step.object}: cors origin is a mapping`,
        'a text, a boolean, !!js/regexp, or a list of them',
      )
    }
  }
  return { kind: 'list', of }
}

function words(value: unknown): readonly string[] {
  const list = typeof value === 'string' ? value.split(',') : listOf(value).map(String)
  return list.map((word) => word.trim()).filter((word) => word !== '')
}

// --- headers, transformers, rate limits ------------------------------------------------------------------------------

function forwardedHeaders(context: Context, parameters: Mapping, step: StepContext): Mapping {
  complain(
    context,
    step.path,
    {
      code: 'deprecated',
      severity: 'info',
      message: `${step.object}: the policy headers is deprecated`,
      hint: 'request-transformer does the same: headers: { add: { NAME: expression } }',
    },
    step.object,
  )
  const prefix = String(parameters['headersPrefix'])
  const fields = isMapping(parameters['forwardHeaders']) ? parameters['forwardHeaders'] : {}
  const set = Object.entries(fields).map(([name, expression]) => ({
    name: `${prefix}${name}`,
    value: fieldValue(expression),
  }))
  return { request: { set } }
}

function transformer(
  policy: 'request-transformer' | 'response-transformer',
  parameters: Mapping,
): readonly { readonly name: string; readonly config: Mapping }[] {
  const uses: { name: string; config: Mapping }[] = []
  const { headers, body } = parameters
  // the body first: what it holds can then be spoken of in the values of headers
  if (isMapping(body)) {
    const add = Object.entries(isMapping(body['add']) ? body['add'] : {})
    uses.push({
      name: policy,
      config: {
        body: {
          add: add.map(([name, expression]) => ({ name, value: bodyFieldValue(expression) })),
          remove: listOf(body['remove']).map(String),
        },
      },
    })
  }
  if (isMapping(headers)) {
    const add = Object.entries(isMapping(headers['add']) ? headers['add'] : {})
    const changes = {
      set: add.map(([name, expression]) => ({ name, value: fieldValue(expression) })),
      remove: listOf(headers['remove']).map(String),
    }
    uses.push({
      name: 'headers',
      config: policy === 'request-transformer' ? { request: changes } : { response: changes },
    })
  }
  return uses
}

/** A literal is written as it is; everything else is the user's JavaScript. */
function fieldValue(expression: unknown): unknown {
  const literal = literalOf(expression)
  return literal === undefined ? { expression: String(expression) } : String(literal)
}

function bodyFieldValue(expression: unknown): Mapping {
  const literal = literalOf(expression)
  return literal === undefined ? { expression: String(expression) } : { json: literal }
}

function literalOf(expression: unknown): string | number | undefined {
  if (typeof expression === 'number') return expression
  const found = /^\s*(?:"([^"\\\r\n]*)"|'([^'\\\r\n]*)')\s*$/.exec(String(expression))
  return found === null ? undefined : (found[1] ?? found[2])
}

function rateLimit(parameters: Mapping): Mapping {
  const by = parameters['rateLimitBy']
  const after = Number(parameters['delayAfter'])
  const each = Number(parameters['delayMs'])
  const skipFailed = parameters['skipFailedRequests'] === true
  const skipSuccessful = parameters['skipSuccessfulRequests'] === true
  return {
    by:
      typeof by !== 'string'
        ? { kind: 'client-address' }
        : /[`$\\]/.test(by)
          ? { kind: 'template', source: by }
          : { kind: 'text', value: by },
    window: Math.max(1, Number(parameters['windowMs'])),
    max: Math.max(0, Number(parameters['max'])),
    ...(after > 0 && each > 0 ? { delay: { after, each } } : {}),
    message: parameters['message'],
    status: parameters['statusCode'],
    headers: parameters['headers'] === false ? 'none' : 'x-ratelimit',
    count: skipFailed ? (skipSuccessful ? 'none' : 'successful') : skipSuccessful ? 'failed' : 'all',
  }
}

// --- policies of plugins ---------------------------------------------------------------------------------------------

function foreign(
  policy: string,
  action: Mapping,
  step: StepContext,
  one: (name: string, config: unknown) => Piece,
): Piece {
  const builtIn = step.builtIn[policy]
  switch (builtIn) {
    case undefined: {
      const guess = nearestWord(policy, [...Object.keys(policySchemas), ...Object.keys(step.builtIn)])
      return one('plugin', { name: policy, config: action, ...(guess === undefined ? {} : { guess }) })
    }
    case 'scopes':
      return one('scopes', { scopes: step.scopes })
    case 'metrics-label':
      return one('metrics-label', {})
    default:
      return one(builtIn, action)
  }
}
