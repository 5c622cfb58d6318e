/** The kind of a new gateway → its files, by path. Pure. */

export type GatewayType = 'basic' | 'getting-started'

export function gatewayFiles(name: string, type: GatewayType, version: string): Readonly<Record<string, string>> {
  const manifest = {
    name,
    version: '1.0.0',
    private: true,
    description: `The gateway ${name}`,
    main: 'server.js',
    scripts: { start: 'gantry run config', check: 'gantry check config' },
    dependencies: { gantry: `^${version}` },
  }
  return {
    'package.json': `${JSON.stringify(manifest, undefined, 2)}\n`,
    '.yo-rc.json': `${JSON.stringify({ gantry: { type } }, undefined, 2)}\n`,
    'server.js': serverFile,
    'config/gateway.config.yml': type === 'basic' ? basic : gettingStarted,
    'config/system.config.yml': system,
  }
}

const serverFile = `// Starts the gateway with the configuration beside this file: node server.js
const { spawn } = require('node:child_process')
const { join } = require('node:path')

const program = join(__dirname, 'node_modules', '.bin', 'gantry')
const gateway = spawn(program, ['run', join(__dirname, 'config')], { stdio: 'inherit' })
for (const signal of ['SIGINT', 'SIGTERM']) process.on(signal, () => gateway.kill(signal))
gateway.on('exit', (code) => process.exit(code ?? 1))
`

const whitelist = `policies:
  - basic-auth
  - cors
  - expression
  - key-auth
  - log
  - oauth2
  - proxy
  - rate-limit
`

const listeners = `http:
  port: 8080
admin:
  port: 9876
  host: localhost
`

const basic = `${listeners}apiEndpoints:
  # name:
  #   host: '*'
  #   paths: '/path'
serviceEndpoints:
  # name:
  #   url: 'http://127.0.0.1:3000'
${whitelist}pipelines:
  # name:
  #   apiEndpoints:
  #     - name
  #   policies:
  #     - proxy:
  #         - action:
  #             serviceEndpoint: name
`

const gettingStarted = `${listeners}apiEndpoints:
  api:
    host: 'localhost'
    paths: '/ip'
serviceEndpoints:
  httpbin:
    url: 'https://httpbin.org'
${whitelist}pipelines:
  default:
    apiEndpoints:
      - api
    policies:
      # who asks? take away the # once there is a key: eg credentials create -c USER -t key-auth
      # - key-auth:
      - proxy:
          - action:
              serviceEndpoint: httpbin
              changeOrigin: true
`

const system = `# consumers are kept in memory: say where Redis is, or leave db out for the embedded store, before it matters
db:
  redis:
    emulate: true
    namespace: EG

# plugins:
#   name:
#     package: 'express-gateway-plugin-name'

crypto:
  cipherKey: sensitiveKey
  algorithm: aes256
  saltRounds: 10

# signs the cookie of the login page
session:
  secret: keyboard cat
  resave: false
  saveUninitialized: false

accessTokens:
  timeToExpiry: 7200000

refreshTokens:
  timeToExpiry: 7200000

authorizationCodes:
  timeToExpiry: 300000
`
