/**
 * The JSON schemas of Express Gateway's files, policies and conditions, as data: what a key means, its type, its
 * default. Facts from the product's own schemas; unknown keys are legal everywhere. The Admin API lists them.
 */

export type Schema = Readonly<Record<string, unknown>>

const text = { type: 'string' } as const
const truth = { type: 'boolean' } as const
const texts = { type: 'array', items: text } as const
const textOrTexts = { anyOf: [text, texts] } as const

const policyId = (name: string): string => `http://express-gateway.io/schemas/policies/${name}.json`
const conditionId = (name: string): string => `http://express-gateway.io/schemas/conditions/${name}.json`

function policy(name: string, required: readonly string[], properties: Schema, more: Schema = {}): Schema {
  return { $id: policyId(name), type: 'object', properties, required, ...more }
}

/** What the authentication policies have in common. */
export const authSchema: Schema = {
  $id: 'http://express-gateway.io/schemas/base/auth.json',
  type: 'object',
  properties: {
    passThrough: { ...truth, default: false, description: 'a request without a valid credential goes on, anonymous' },
  },
  required: ['passThrough'],
}
const passThrough = (authSchema['properties'] as Schema)['passThrough']

const addRemove: Schema = {
  type: 'object',
  properties: {
    add: {
      type: 'object',
      minProperties: 1,
      additionalProperties: { type: ['string', 'number'] },
      description: 'name → JavaScript expression',
    },
    remove: { ...texts, description: 'names that are taken away' },
  },
  anyOf: [{ required: ['add'] }, { required: ['remove'] }],
}
const transformer = (name: string): Schema =>
  policy(
    name,
    [],
    { headers: addRemove, body: addRemove },
    { anyOf: [{ required: ['headers'] }, { required: ['body'] }] },
  )

const jwtProperties: Schema = {
  secretOrPublicKey: { ...text, description: 'HMAC secret or PEM of the public key' },
  secretOrPublicKeyFile: { ...text, description: 'file that holds it' },
  jwtExtractor: { ...text, enum: ['header', 'query', 'authScheme', 'authBearer'], default: 'authBearer' },
  jwtExtractorField: { ...text, description: 'name of the header, the query parameter or the scheme' },
  audience: text,
  issuer: text,
  checkCredentialExistence: {
    ...truth,
    default: true,
    description: 'the subject must be the keyId of an active credential',
  },
  passThrough,
  algorithms: {
    type: 'array',
    items: { ...text, enum: ['HS256', 'HS384', 'HS512', 'RS256', 'RS384', 'RS512'] },
  },
}
const jwtSchema = policy('jwt', ['jwtExtractor', 'checkCredentialExistence'], jwtProperties, {
  oneOf: [{ required: ['secretOrPublicKey'] }, { required: ['secretOrPublicKeyFile'] }],
})

/** By policy name, as in the `policies` whitelist. */
export const policySchemas: Readonly<Record<string, Schema>> = {
  'basic-auth': policy('basic-auth', ['passThrough'], { passThrough }),
  cors: policy('cors', [], {
    origin: {
      default: '*',
      anyOf: [text, truth, { type: 'array', items: { type: ['string', 'object'] } }, { type: 'object' }],
      description: 'text, regular expression (!!js/regexp), list of them, or a boolean',
    },
    methods: { ...textOrTexts, default: ['GET', 'HEAD', 'PUT', 'PATCH', 'POST', 'DELETE'] },
    allowedHeaders: textOrTexts,
    exposedHeaders: texts,
    credentials: truth,
    maxAge: { type: 'integer', description: 'seconds' },
    optionsSuccessStatus: { type: 'integer', default: 204 },
    preflightContinue: truth,
  }),
  expression: policy('expression', ['jscode'], { jscode: { ...text, description: 'JavaScript, run for its effects' } }),
  headers: policy('headers', ['headersPrefix', 'forwardHeaders'], {
    headersPrefix: { ...text, default: '' },
    forwardHeaders: { type: 'object', description: 'name → JavaScript expression' },
  }),
  jwt: jwtSchema,
  'key-auth': policy('key-auth', ['passThrough'], {
    passThrough,
    apiKeyHeader: { ...text, default: 'Authorization' },
    apiKeyHeaderScheme: { ...text, default: 'apiKey' },
    apiKeyField: { ...text, default: 'apiKey', description: 'name of the query parameter' },
    disableHeaders: { ...truth, default: false },
    disableHeadersScheme: { ...truth, default: false },
    disableQueryParam: { ...truth, default: false },
  }),
  log: policy('log', ['message'], { message: { ...text, description: 'JavaScript template' } }),
  oauth2: policy('oauth2', ['passThrough'], { passThrough, jwt: { ...jwtSchema, $id: undefined } }),
  'oauth2-introspect': policy('oauth2-introspect', ['passThrough', 'endpoint', 'ttl'], {
    passThrough,
    endpoint: { ...text, format: 'uri' },
    authorization_value: { ...text, description: 'sent as the Authorization header' },
    timeout: { type: 'integer', default: 10_000, description: 'milliseconds to the first byte' },
    ttl: { type: 'integer', default: 60, description: 'seconds' },
  }),
  proxy: policy('proxy', ['strategy', 'changeOrigin', 'stripPath', 'ignorePath', 'prependPath', 'followRedirects'], {
    auth: { ...text, description: 'user:password for the service' },
    autoRewrite: { ...truth, default: false, description: 'host of redirects becomes the one of the request' },
    changeOrigin: { ...truth, default: true, description: 'the service sees its own host name' },
    followRedirects: { ...truth, default: false },
    hostRewrite: { ...text, description: 'host of redirects' },
    ignorePath: { ...truth, default: false },
    prependPath: { ...truth, default: true },
    preserveHeaderKeyCase: { ...truth, default: false },
    protocolRewrite: { ...text, enum: ['http', 'https'], description: 'protocol of redirects' },
    proxyUrl: text,
    secure: { ...truth, default: true, description: 'the certificate of the service is verified' },
    serviceEndpoint: text,
    stripPath: { ...truth, default: false },
    strategy: { ...text, enum: ['round-robin'], default: 'round-robin' },
    toProxy: { ...truth, default: false },
    xfwd: { ...truth, default: false, description: 'X-Forwarded-For, -Port, -Proto, -Host' },
  }),
  'rate-limit': policy('rate-limit', [], {
    rateLimitBy: { ...text, description: 'JavaScript template; without it the client address' },
    windowMs: { type: 'integer', default: 60_000 },
    delayAfter: { type: 'integer', default: 1, description: '0: never' },
    delayMs: { type: 'integer', default: 1000, description: 'for each request above delayAfter' },
    max: { type: 'integer', default: 5, description: '0: counts, never refuses' },
    message: { ...text, default: 'Too many requests, please try again later.' },
    statusCode: { type: 'integer', default: 429 },
  }),
  'request-transformer': transformer('request-transformer'),
  'response-transformer': transformer('response-transformer'),
  terminate: policy('terminate', ['statusCode', 'message'], {
    statusCode: { type: 'number', default: 400 },
    message: { ...text, default: 'Terminated' },
  }),
}

const nested: Schema = { type: 'object', properties: { name: text }, required: ['name'] }
const method: Schema = { ...text, enum: ['GET', 'POST', 'PUT', 'PATCH', 'DELETE', 'HEAD', 'OPTIONS'] }

function condition(name: string, required: readonly string[] = [], properties: Schema = {}): Schema {
  return { $id: conditionId(name), type: 'object', properties, required }
}

export const baseConditionSchema: Schema = { $id: conditionId('base'), ...nested }

/** By condition name. */
export const conditionSchemas: Readonly<Record<string, Schema>> = {
  always: condition('always'),
  never: condition('never'),
  allOf: condition('allOf', ['conditions'], { conditions: { type: 'array', items: nested } }),
  oneOf: condition('oneOf', ['conditions'], { conditions: { type: 'array', items: nested } }),
  not: condition('not', ['condition'], { condition: nested }),
  pathMatch: condition('pathMatch', ['pattern'], { pattern: { ...text, format: 'regex' } }),
  pathExact: condition('pathExact', ['path'], { path: text }),
  method: condition('method', ['methods'], { methods: { anyOf: [method, { type: 'array', items: method }] } }),
  hostMatch: condition('hostMatch', ['pattern'], { pattern: text }),
  expression: condition('expression', ['expression'], { expression: text }),
  authenticated: condition('authenticated'),
  anonymous: condition('anonymous'),
  tlsClientAuthenticated: condition('tlsClientAuthenticated'),
  'json-schema': {
    ...condition('json-schema', ['schema', 'logErrors'], {
      schema: { type: 'object' },
      logErrors: { ...truth, default: false },
    }),
    $id: policyId('json-schema'),
  },
}

const apiEndpoint: Schema = {
  type: 'object',
  properties: {
    host: text,
    hostRegex: text,
    paths: textOrTexts,
    path: textOrTexts,
    pathRegex: { ...text, format: 'regex' },
    methods: textOrTexts,
    scopes: { type: 'array', items: text, uniqueItems: true },
  },
}

const serviceEndpoint: Schema = {
  type: 'object',
  properties: {
    url: { ...text, format: 'uri' },
    urls: { type: 'array', items: { ...text, format: 'uri' } },
    proxyOptions: { type: 'object' },
  },
  oneOf: [{ required: ['url'] }, { required: ['urls'] }],
}

const pipeline: Schema = {
  type: 'object',
  properties: {
    apiEndpoints: texts,
    apiEndpoint: textOrTexts,
    policies: { type: 'array', items: { type: 'object' } },
    policy: { type: 'array', items: { type: 'object' } },
  },
  required: ['policies'],
}

const listener: Schema = { type: 'object', properties: { port: { type: 'number' }, hostname: text } }

export const gatewaySchema: Schema = {
  $id: 'http://express-gateway.io/models/gateway.config.json',
  type: 'object',
  properties: {
    http: listener,
    https: {
      type: 'object',
      properties: {
        port: { type: 'number' },
        hostname: text,
        options: { type: 'object' },
        tls: {
          type: ['object', 'null'],
          additionalProperties: {
            type: 'object',
            properties: { key: text, cert: text, ca: { type: 'array', items: text, uniqueItems: true } },
            required: ['key', 'cert'],
          },
        },
      },
    },
    admin: {
      type: ['object', 'null'],
      properties: {
        port: { type: ['number', 'null'], default: 9876 },
        host: { ...text, default: 'localhost' },
        hostname: text,
        backlog: { type: 'number' },
      },
    },
    apiEndpoints: {
      type: ['object', 'null'],
      additionalProperties: { ...apiEndpoint, type: ['object', 'array'], items: apiEndpoint },
    },
    apiEndpoint: { type: ['object', 'null'] },
    serviceEndpoints: { type: ['object', 'null'], additionalProperties: serviceEndpoint },
    policies: { type: ['array', 'null'], items: text },
    // a list of pipelines is the way of the first versions, and was never checked
    pipelines: { type: ['object', 'array', 'null'], additionalProperties: pipeline },
    pipeline: { type: ['object', 'array', 'null'] },
  },
}

/** Which keys Express Gateway knows, to guess at a misspelt one: by the place, `*` for a name that users choose, `#` for a place in a list. */
export const knownKeys: Readonly<Record<string, readonly string[]>> = {
  '': [
    'http',
    'https',
    'admin',
    'apiEndpoints',
    'apiEndpoint',
    'serviceEndpoints',
    'policies',
    'pipelines',
    'pipeline',
  ],
  http: ['port', 'hostname'],
  https: ['port', 'hostname', 'tls', 'options'],
  'https.tls.*': ['key', 'cert', 'ca'],
  admin: ['port', 'host', 'hostname', 'backlog'],
  'serviceEndpoints.*': ['url', 'urls', 'proxyOptions'],
}

/** Places where users keep properties of their own: only a likely misspelling is worth a word. */
export const openKeys: Readonly<Record<string, readonly string[]>> = {
  'apiEndpoints.*': ['host', 'hostRegex', 'paths', 'path', 'pathRegex', 'methods', 'scopes'],
  'apiEndpoints.*.#': ['host', 'hostRegex', 'paths', 'path', 'pathRegex', 'methods', 'scopes'],
  'pipelines.*': ['name', 'apiEndpoints', 'apiEndpoint', 'policies', 'policy'],
}

const redis: Schema = {
  type: 'object',
  properties: {
    host: text,
    port: { type: 'number' },
    emulate: { ...truth, default: false },
    namespace: { ...text, default: 'EG' },
    tls: { type: 'object', properties: { keyFile: text, certFile: text, caFile: text } },
  },
}

export const systemSchema: Schema = {
  $id: 'http://express-gateway.io/models/system.config.json',
  type: 'object',
  properties: {
    // without redis the store is the embedded one
    db: { type: 'object', properties: { redis } },
    crypto: {
      type: 'object',
      default: {},
      properties: {
        cipherKey: { ...text, default: 'sensitiveKey' },
        algorithm: { ...text, default: 'aes256' },
        saltRounds: { type: 'number', default: 10 },
      },
    },
    session: {
      type: 'object',
      default: {},
      properties: { secret: text, storeProvider: text, storeOptions: { type: 'object' } },
    },
    accessTokens: {
      type: 'object',
      default: {},
      properties: {
        timeToExpiry: { type: 'number', default: 720_000, description: 'milliseconds' },
        tokenType: { ...text, enum: ['opaque', 'jwt'], default: 'opaque' },
        algorithm: { ...text, default: 'HS256' },
        issuer: text,
        audience: textOrTexts,
        subject: text,
        secretOrPrivateKey: text,
        secretOrPrivateKeyFile: text,
      },
    },
    refreshTokens: { type: 'object', default: {}, properties: { timeToExpiry: { type: 'number', default: 720_000 } } },
    authorizationCodes: {
      type: 'object',
      default: {},
      properties: { timeToExpiry: { type: 'number', default: 300_000 } },
    },
    plugins: {
      type: ['object', 'null'],
      additionalProperties: { type: ['object', 'null'], properties: { package: text } },
    },
    cli: { type: 'object', properties: { url: text, verbose: truth } },
  },
}
