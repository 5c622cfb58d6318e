/** GET /oauth2/authorize and POST /oauth2/authorize/decision (RFC 6749 4.1 and 4.2). */
import { randomBytes } from 'node:crypto'
import type { Exchange, Reply } from '../policy.ts'
import type { Authorizations, ConsumerRecord } from '../services.ts'
import type { Config } from './config.ts'
import type { IssueAccessToken } from './issue.ts'
import { consentPage } from './pages.ts'
import { bodyOf, html, isForeign, isReply, page, queryOf, redirect } from './request.ts'
import type { Session, Sessions, Transaction } from './session.ts'

export interface Server {
  readonly config: Config
  readonly authorizations: Authorizations
  readonly sessions: Sessions
  readonly issue: IssueAccessToken
  now(): number
}

/** Asks its user, who must be logged in. What cannot be trusted to be the client's own is told to the user, not redirected. */
export async function authorize(exchange: Exchange, server: Server): Promise<Reply> {
  const { authorizations, sessions, now } = server
  const session = await sessions.read(exchange)
  const user = await userOf(session, authorizations)
  if (user?.id === undefined) {
    const cookie = await sessions.write(exchange, session, {
      ...session.data,
      returnTo: exchange.request.originalTarget,
    })
    return redirect('/login', cookie)
  }
  const query = queryOf(exchange)
  const type = query('response_type')
  if (type === undefined) return html(400, 'Bad Request', 'Missing required parameter: response_type')
  if (type !== 'code' && type !== 'token') return html(501, 'Not Implemented', `Unsupported response type: ${type}`)
  const challenge = challengeOf(query('code_challenge'), query('code_challenge_method'))
  if (challenge === 'unknown') return html(400, 'Bad Request', 'code_challenge_method is neither S256 nor plain')
  const application = await authorizations.application(query('client_id') ?? '')
  const redirectUri = query('redirect_uri')
  const scopes = scopesOf(query('scope'))
  if (
    application?.id === undefined ||
    redirectUri === undefined ||
    redirectUri !== application['redirectUri'] ||
    !(await authorizations.holdsScopes(application.id, scopes))
  ) {
    return html(403, 'Forbidden', 'Unauthorized client')
  }
  const state = query('state')
  const transaction: Transaction = {
    clientId: application.id,
    userId: user.id,
    type,
    redirectUri,
    scopes,
    ...(state === undefined ? {} : { state }),
    ...challenge,
    expiresAt: now() + 600_000,
  }
  const id = randomBytes(6).toString('base64url')
  const cookie = await sessions.write(exchange, session, {
    ...session.data,
    authorize: latest(session, id, transaction, now()),
  })
  const consent = { transaction: id, user: nameOf(user), application: application.name ?? application.id, scopes }
  return page(200, consentPage(consent), [['transaction_id', id], ...cookie])
}

/** Each transaction is decided once, in the session and by the user that began it. */
export async function decide(exchange: Exchange, server: Server): Promise<Reply> {
  const { authorizations, sessions, config, now } = server
  if (isForeign(exchange)) return html(403, 'Forbidden', 'This form was sent by a page of another site.')
  const body = await bodyOf(exchange)
  if (isReply(body)) return body
  const session = await sessions.read(exchange)
  const user = await userOf(session, authorizations)
  if (user?.id === undefined) return redirect('/login')
  const id = body('transaction_id')
  if (id === undefined) return html(400, 'Bad Request', 'Missing required parameter: transaction_id')
  const { [id]: transaction, ...others } = session.data.authorize ?? {}
  if (transaction === undefined || transaction.userId !== user.id || transaction.expiresAt <= now()) {
    return html(403, 'Forbidden', 'Unable to load OAuth 2.0 transaction')
  }
  await sessions.write(exchange, session, { ...session.data, authorize: others })
  const { clientId, redirectUri, scopes, state, type } = transaction
  const answer = (separator: '?' | '#', parameters: Readonly<Record<string, string>>): Reply =>
    redirect(withParameters(redirectUri, separator, { ...parameters, ...(state === undefined ? {} : { state }) }))
  const application = await authorizations.application(clientId)
  if (body('cancel') !== undefined) return answer(type === 'code' ? '?' : '#', { error: 'access_denied' })
  if (application === undefined || !(await authorizations.holdsScopes(clientId, scopes))) {
    return html(403, 'Forbidden', 'Unauthorized client') // switched off while its user was thinking
  }
  const grant = { consumerId: clientId, redirectUri, ...(scopes.length === 0 ? {} : { scopes }) }
  if (type === 'token') {
    const { token } = await server.issue({ ...grant, authenticatedUserId: user.id })
    return answer('#', { access_token: token, token_type: 'Bearer' })
  }
  const { codeChallenge, codeChallengeMethod } = transaction
  const proof =
    codeChallenge === undefined ? {} : { codeChallenge, codeChallengeMethod: codeChallengeMethod ?? 'plain' }
  const lifetime = config.authorizationCodes.timeToExpiry
  const code = await authorizations.code({ ...grant, userId: user.id, ...proof }, lifetime)
  return answer('?', { code })
}

export function scopesOf(text: string | undefined): readonly string[] {
  return [...new Set((text ?? '').split(' ').filter((scope) => scope !== ''))]
}

async function userOf(session: Session, authorizations: Authorizations): Promise<ConsumerRecord | undefined> {
  const id = session.data.passport?.user
  return id === undefined ? undefined : authorizations.user(id)
}

/** The new one and what is still open of the older ones, eight at most: a session does not grow with every reload. */
function latest(
  session: Session,
  id: string,
  transaction: Transaction,
  now: number,
): Readonly<Record<string, Transaction>> {
  const open = Object.entries(session.data.authorize ?? {}).filter(([, { expiresAt }]) => expiresAt > now)
  return Object.fromEntries([...open.slice(-7), [id, transaction]])
}

function challengeOf(
  challenge: string | undefined,
  method: string | undefined,
): 'unknown' | Pick<Transaction, 'codeChallenge' | 'codeChallengeMethod'> {
  if (challenge === undefined) return method === undefined ? {} : 'unknown'
  const named = method ?? 'plain'
  return named === 'S256' || named === 'plain' ? { codeChallenge: challenge, codeChallengeMethod: named } : 'unknown'
}

function withParameters(uri: string, separator: '?' | '#', parameters: Readonly<Record<string, string>>): string {
  const text = Object.entries(parameters)
    .map(([name, value]) => `${name}=${encodeURIComponent(value)}`)
    .join('&')
  return `${uri}${uri.includes(separator) ? '&' : separator}${text}`
}

function nameOf(user: ConsumerRecord): string {
  return typeof user['firstname'] === 'string' ? user['firstname'] : (user.username ?? '')
}
