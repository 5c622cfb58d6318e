/** `oauth2-server`: the routes of an OAuth 2 authorization server, in front of all others; what is not its own goes on. */
import { type CompileContext, type Exchange, type Outcome, type Policy, unsupported } from '../policy.ts'
import { type Authorizations, StoreUnavailable } from '../services.ts'
import { authorize, decide, type Server } from './authorize.ts'
import { type Config, config } from './config.ts'
import { issuer } from './issue.ts'
import { login, logout, showLogin } from './login.ts'
import { icon, styles } from './pages.ts'
import { html } from './request.ts'
import { ownStore, providedStore } from './session-store.ts'
import { sessionsOf, type SessionStore } from './session.ts'
import { token } from './token.ts'

export type { Config } from './config.ts'

export const oauth2Server: Policy<Config> = {
  name: 'oauth2-server',
  summary: 'logs users in, asks for their consent, issues tokens (OAuth 2)',
  config,
  engine: (config, context) => {
    const { authorizations, now } = context.services
    if (authorizations === undefined) return { request: () => undefined }
    const server: Server = {
      config,
      authorizations,
      now,
      sessions: sessionsOf(config.session, storeOf(config, authorizations, context)),
      issue: issuer(config.accessTokens, authorizations, now),
    }
    warn(config, context)
    return {
      request: (exchange) => {
        const handler = handlerOf(exchange)
        return handler === undefined ? undefined : guarded(handler(exchange, server))
      },
    }
  },
  nginx: () => unsupported('users and tokens are in the store'),
}

type Handler = (exchange: Exchange, server: Server) => Outcome | Promise<Outcome>

/** As Express finds them: without case, with or without a slash at the end, HEAD with GET. */
const routes: Readonly<Record<string, Readonly<Record<string, Handler>>>> = {
  '/login': {
    GET: showLogin,
    POST: (exchange, { authorizations, sessions }) => login(exchange, authorizations, sessions),
  },
  '/logout': { GET: (exchange, { sessions }) => logout(exchange, sessions) },
  '/oauth2/authorize': { GET: authorize },
  '/oauth2/authorize/decision': { POST: decide },
  '/oauth2/token': { POST: token },
  '/css/style.css': { GET: () => asset('text/css; charset=utf-8', styles) },
  '/assets/eg-icon.svg': { GET: () => asset('image/svg+xml', icon) },
}
const lengths = new Set(Object.keys(routes).flatMap((path) => [path.length, path.length + 1]))

function handlerOf({ request }: Exchange): Handler | undefined {
  const { path } = request
  // nearly every request is not for us: one look at its length, most of the time
  if (!lengths.has(path.length)) return undefined
  const known = path.toLowerCase()
  const name = known.endsWith('/') ? known.slice(0, -1) : known
  if (!Object.hasOwn(routes, name)) return undefined
  return routes[name]?.[request.method === 'HEAD' ? 'GET' : request.method]
}

async function guarded(outcome: Outcome | Promise<Outcome>): Promise<Outcome> {
  try {
    return await outcome
  } catch (error) {
    if (error instanceof StoreUnavailable) return html(503, 'Service Unavailable', 'Please try again in a moment.')
    throw error
  }
}

function asset(type: string, body: string): Outcome {
  const headers = [
    ['Content-Type', type],
    ['Cache-Control', 'public, max-age=3600'],
  ] as const
  return { kind: 'reply', status: 200, headers, body }
}

function storeOf(config: Config, authorizations: Authorizations, context: CompileContext): SessionStore {
  const own = ownStore(authorizations.sessions)
  if (config.session.storeProvider === undefined) return own
  try {
    return providedStore(config, own.newId, context.services.folder)
  } catch (error) {
    context.report({
      code: 'oauth2-server/session-store',
      severity: 'warning',
      message: `session.storeProvider ${config.session.storeProvider} cannot be used: ${error instanceof Error ? error.message : String(error)}`,
      hint: 'sessions are kept in the store of the consumers meanwhile',
      origin: context.origin,
    })
    return own
  }
}

function warn(config: Config, context: CompileContext): void {
  if (config.session.secret !== undefined) return
  context.report({
    code: 'oauth2-server/session-secret',
    severity: 'warning',
    message: 'session.secret is missing: logins end with this process, and are not known to others',
    hint: 'write session: { secret: "…" } in the system configuration',
    origin: context.origin,
  })
}
