/** What is secret in system.config is not shown by `translate --to model`, `explain` or the admin API. */
import { expect, it } from 'vitest'
import { printModel } from '../../model/text.ts'
import { oauth2Server } from '../../policies/oauth2-server/policy.ts'
import { translate } from './translate.ts'
import type { TextFile, World } from './world.ts'

const system = `
session:
  secret: session-secret-1
  resave: false
  storeProvider: some-store
  storeOptions: { url: 'redis://:store-secret-2@localhost' }
  left: left-secret-3
accessTokens: { tokenType: jwt, secretOrPrivateKey: token-secret-4, timeToExpiry: 5000 }
refreshTokens: { timeToExpiry: 7000, secretOrPrivateKey: refresh-secret-5 }
`

function oauth2ServerUse() {
  const text = (name: string, content: string): TextFile => ({ kind: 'text', name, text: content })
  const missing = (name: string): TextFile => ({ kind: 'missing', name })
  const world: World = {
    folder: '/etc/gateway',
    environment: {},
    gateway: text('gateway.config.yml', 'http: { port: 8080 }\npolicies: [oauth2]\n'),
    system: text('system.config.yml', system),
    models: { users: missing('users'), applications: missing('applications'), credentials: missing('credentials') },
    files: {},
    ownPlugins: [],
  }
  const { model } = translate(world)
  const use = model.listeners[0]?.policies?.find(({ policy }) => policy === 'oauth2-server')
  return { model, use }
}

it('shows no secret of the system configuration', () => {
  const { model, use } = oauth2ServerUse()
  expect(use).toBeDefined()
  expect(printModel(model, { secrets: 'redact' })).not.toMatch(/secret-\d/)
  expect(JSON.stringify(use)).not.toMatch(/secret-\d/)
})

it('leaves the folder of the configuration out of the model, which may be served elsewhere', () => {
  expect(printModel(oauth2ServerUse().model, { secrets: 'redact' })).not.toContain('/etc/gateway')
})

it('gives the policy the secrets themselves', () => {
  const { use } = oauth2ServerUse()
  const config = oauth2Server.config.parse(use?.config)
  const { session, accessTokens, refreshTokens } = config
  expect(session.secret?.map((secret) => secret.reveal())).toEqual(['session-secret-1'])
  expect(session.storeOptions?.reveal()).toBe('{"url":"redis://:store-secret-2@localhost"}')
  expect(accessTokens).toMatchObject({ tokenType: 'jwt', timeToExpiry: 5000 })
  expect(accessTokens.secretOrPrivateKey?.reveal()).toBe('token-secret-4')
  expect(refreshTokens.timeToExpiry).toBe(7000)
  expect(JSON.stringify(config)).not.toMatch(/secret-\d/)
})
