/** POST /oauth2/token: a client and what it was granted → tokens (RFC 6749 3.2, RFC 7636 4.5). */
import { createHash } from 'node:crypto'
import type { Exchange, Reply } from '../policy.ts'
import type { CodeGrant, TokenGrant } from '../services.ts'
import { equalSecrets } from '../shared/equal.ts'
import { scopesOf, type Server } from './authorize.ts'
import { bodyOf, isReply, json, type Parameters } from './request.ts'

export async function token(exchange: Exchange, server: Server): Promise<Reply> {
  const { authorizations } = server
  const body = await bodyOf(exchange)
  if (isReply(body)) return body
  const shown = basicOf(exchange) ?? { id: body('client_id'), secret: body('client_secret') }
  if (shown.id === undefined || shown.secret === undefined) return unauthorized
  const client = await authorizations.authenticate('oauth2', shown.id, shown.secret)
  if (client?.id === undefined) return unauthorized
  const scopes = scopesOf(body('scope'))
  if (!(await authorizations.holdsScopes(client.id, scopes))) return unauthorized
  const asked = scopes.length === 0 ? {} : { scopes }
  const type = body('grant_type')
  switch (type) {
    case 'client_credentials':
      return answer(server, { consumerId: client.id, ...asked }, 'access only')
    case 'password':
      return passwordGrant(server, client.id, asked, body)
    case 'authorization_code':
      return codeGrant(server, client.id, body)
    case 'refresh_token':
      return refreshGrant(server, client.id, scopes, body)
    default:
      return refuse(501, 'unsupported_grant_type', `Unsupported grant type: ${type ?? 'none'}`)
  }
}

async function passwordGrant(
  server: Server,
  clientId: string,
  asked: { readonly scopes?: readonly string[] },
  body: Parameters,
): Promise<Reply> {
  const username = body('username')
  if (username === undefined) return missing('username')
  const password = body('password')
  if (password === undefined) return missing('password')
  const owner = await server.authorizations.authenticate('basic-auth', username, password)
  if (owner?.id === undefined) return refuse(403, 'invalid_grant', 'Invalid resource owner credentials')
  return answer(server, { consumerId: clientId, authenticatedUserId: owner.id, ...asked }, 'with refresh token')
}

async function codeGrant(server: Server, clientId: string, body: Parameters): Promise<Reply> {
  const code = body('code')
  if (code === undefined) return missing('code')
  const verifier = body('code_verifier')
  const fits = (grant: CodeGrant): boolean =>
    grant.consumerId === clientId && grant.redirectUri === body('redirect_uri') && explains(grant, verifier)
  const grant = await server.authorizations.redeemCode(code, fits)
  if (grant === undefined) return refuse(403, 'invalid_grant', 'Invalid authorization code')
  const { userId, redirectUri, scopes } = grant
  const what = {
    consumerId: clientId,
    authenticatedUserId: userId,
    redirectUri,
    ...(scopes === undefined ? {} : { scopes }),
  }
  return answer(server, what, 'with refresh token')
}

/** For what the refresh token was issued for, or less of it. */
async function refreshGrant(
  server: Server,
  clientId: string,
  scopes: readonly string[],
  body: Parameters,
): Promise<Reply> {
  const shown = body('refresh_token')
  if (shown === undefined) return missing('refresh_token')
  const grant = await server.authorizations.refreshGrant(shown)
  if (grant === undefined || grant.consumerId !== clientId) return refuse(403, 'invalid_grant', 'Invalid refresh token')
  if (!scopes.every((scope) => grant.scopes?.includes(scope) === true)) {
    return refuse(400, 'invalid_scope', 'the refresh token was issued for other scopes')
  }
  const { consumerId, authType, authenticatedUserId, redirectUri } = grant
  const narrowed = scopes.length > 0 ? scopes : grant.scopes
  return answer(
    server,
    {
      consumerId,
      ...(authType === undefined ? {} : { authType }),
      ...(authenticatedUserId === undefined ? {} : { authenticatedUserId }),
      ...(redirectUri === undefined ? {} : { redirectUri }),
      ...(narrowed === undefined ? {} : { scopes: narrowed }),
    },
    'access only',
  )
}

async function answer(server: Server, grant: TokenGrant, kind: 'access only' | 'with refresh token'): Promise<Reply> {
  const { token: access, expiresIn } = await server.issue(grant)
  const lifetime = server.config.refreshTokens.timeToExpiry
  const refresh = kind === 'access only' ? undefined : await server.authorizations.refreshToken(grant, lifetime)
  return json(200, {
    access_token: access,
    ...(refresh === undefined ? {} : { refresh_token: refresh.token }),
    expires_in: expiresIn,
    token_type: 'Bearer',
  })
}

/** Does the verifier explain the challenge that the code was asked for with? Without a challenge there is nothing to explain. */
function explains({ codeChallenge, codeChallengeMethod }: CodeGrant, verifier: string | undefined): boolean {
  if (codeChallenge === undefined) return true
  if (verifier === undefined) return false
  const shown = codeChallengeMethod === 'S256' ? createHash('sha256').update(verifier).digest('base64url') : verifier
  return equalSecrets(shown, codeChallenge)
}

function basicOf(exchange: Exchange): { readonly id: string; readonly secret: string } | undefined {
  const match = /^basic +([A-Za-z0-9+/]+=*)$/i.exec(exchange.request.headers.get('authorization') ?? '')
  if (match?.[1] === undefined) return undefined
  const text = Buffer.from(match[1], 'base64').toString('utf8')
  const colon = text.indexOf(':')
  return colon === -1 ? undefined : { id: text.slice(0, colon), secret: text.slice(colon + 1) }
}

const unauthorized: Reply = {
  kind: 'reply',
  status: 401,
  headers: [
    ['WWW-Authenticate', 'Basic realm="Users"'],
    ['Content-Type', 'text/plain; charset=utf-8'],
  ],
  body: 'Unauthorized',
}

function missing(name: string): Reply {
  return refuse(400, 'invalid_request', `Missing required parameter: ${name}`)
}

function refuse(status: number, error: string, description: string): Reply {
  return json(status, { error, error_description: description })
}
