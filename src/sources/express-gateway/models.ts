/** The models of users, applications and credentials where a folder brings none. Data; examples/express-gateway/models holds the same as files. */
import type { Schema } from './schemas.ts'
import type { ModelName } from './world.ts'

const scopes = {
  description: 'what the credential may be used for',
  anyOf: [{ type: 'string' }, { type: 'array', items: { type: 'string' } }],
}
const withPassword = (passwordKey: string): Schema => ({
  type: 'object',
  properties: {
    autoGeneratePassword: { type: 'boolean', default: true },
    passwordKey: { type: 'string', default: passwordKey },
    scopes,
  },
})

export const defaultModels: Readonly<Record<ModelName, Schema>> = {
  users: {
    $id: 'http://express-gateway.io/models/users.json',
    type: 'object',
    properties: {
      username: { type: 'string', isMutable: false },
      firstname: { type: 'string' },
      lastname: { type: 'string' },
      email: { type: 'string', format: 'email' },
      redirectUri: { type: 'string', format: 'uri' },
    },
    required: ['username', 'firstname', 'lastname'],
  },
  applications: {
    $id: 'http://express-gateway.io/models/applications.json',
    type: 'object',
    properties: {
      name: { type: 'string' },
      redirectUri: { type: 'string', format: 'uri' },
    },
    required: ['name'],
  },
  credentials: {
    $id: 'http://express-gateway.io/models/credentials.json',
    type: 'object',
    properties: {
      'basic-auth': withPassword('password'),
      oauth2: withPassword('secret'),
      'key-auth': { type: 'object', properties: { scopes } },
      jwt: { type: 'object', properties: {} },
    },
  },
}

/** Where Kargo's plugin populates the gateway: users are a name, applications hold their scopes themselves. */
export const kargoModels: Readonly<Record<ModelName, Schema>> = {
  users: { ...defaultModels.users, required: ['username'] },
  applications: {
    ...defaultModels.applications,
    properties: {
      ...(defaultModels.applications['properties'] as Schema),
      scopes: { type: 'array', items: { type: 'string' } },
    },
  },
  credentials: defaultModels.credentials,
}
