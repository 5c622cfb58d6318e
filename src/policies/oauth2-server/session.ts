/** Cookie and store → the session of a browser, and back to a Set-Cookie. Laid out as express-session does. */
import { createHmac, randomBytes } from 'node:crypto'
import type { Exchange } from '../policy.ts'
import { cookieValue } from '../shared/cookie.ts'
import { equalSecrets } from '../shared/equal.ts'
import type { Config } from './config.ts'

/** Where sessions are kept: the consumers' store, or one that an express-session module brings. */
export interface SessionStore {
  newId(): string
  get(id: string): Promise<SessionData | undefined>
  set(id: string, data: SessionData, ttlMs: number): Promise<void>
  delete(id: string): Promise<void>
}

export interface SessionData {
  readonly cookie: {
    readonly originalMaxAge: number | null
    readonly expires: string | null
    readonly httpOnly: boolean
    readonly path: string
  }
  readonly passport?: { readonly user?: string }
  readonly returnTo?: string
  /** Transactions of the consent page, by their id. */
  readonly authorize?: Readonly<Record<string, Transaction>>
}

/** A request for authorization that its user has yet to decide. */
export interface Transaction {
  readonly clientId: string
  readonly userId: string
  readonly type: 'code' | 'token'
  readonly redirectUri: string
  readonly scopes: readonly string[]
  readonly state?: string
  readonly codeChallenge?: string
  readonly codeChallengeMethod?: 'S256' | 'plain'
  readonly expiresAt: number
}

export interface Session {
  /** Undefined: there is none yet. */
  readonly id: string | undefined
  readonly data: Omit<SessionData, 'cookie'>
}

export type Sessions = ReturnType<typeof sessionsOf>

export function sessionsOf(config: Config['session'], store: SessionStore) {
  const secrets = config.secret?.map((secret) => secret.reveal()) ?? [madeUp]
  const maxAge = config.cookie.maxAge ?? undefined
  const ttlMs = maxAge ?? 86_400_000

  return {
    read: async (exchange: Exchange): Promise<Session> => {
      const id = signedId(cookieValue(exchange.request.headers.get('cookie'), config.name), secrets)
      const data = id === undefined ? undefined : await store.get(id)
      if (id === undefined || data === undefined) return { id: undefined, data: {} }
      const { cookie: _cookie, ...rest } = data
      return { id, data: rest }
    },

    /** The Set-Cookie that must go with the answer, or nothing where the browser has it already. */
    write: async (
      exchange: Exchange,
      session: Session,
      data: Session['data'],
    ): Promise<readonly (readonly [string, string])[]> => {
      const id = session.id ?? store.newId()
      const expires = maxAge === undefined ? null : new Date(Date.now() + maxAge).toISOString()
      const { httpOnly, path } = config.cookie
      await store.set(id, { cookie: { originalMaxAge: maxAge ?? null, expires, httpOnly, path }, ...data }, ttlMs)
      return session.id === undefined ? [['Set-Cookie', setCookie(exchange, config, id, secrets[0] ?? '')]] : []
    },

    /** Under another id than before: who knew the old one does not come in with it. */
    renew: async (session: Session): Promise<Session> => {
      if (session.id !== undefined) await store.delete(session.id)
      return { id: undefined, data: session.data }
    },

    end: async (session: Session): Promise<void> => {
      if (session.id !== undefined) await store.delete(session.id)
    },
  }
}

/** For who has said none: as long as this process lives, over all reloads. */
const madeUp = randomBytes(32).toString('hex')

/** `s:<id>.<signature>`, percent-encoded; believed under any of the secrets. */
function signedId(cookie: string | undefined, secrets: readonly string[]): string | undefined {
  if (cookie === undefined) return undefined
  let text: string
  try {
    text = decodeURIComponent(cookie)
  } catch {
    return undefined
  }
  const dot = text.lastIndexOf('.')
  if (!text.startsWith('s:') || dot === -1) return undefined
  const id = text.slice(2, dot)
  return secrets.some((secret) => equalSecrets(signature(id, secret), text.slice(dot + 1))) ? id : undefined
}

function setCookie(exchange: Exchange, config: Config['session'], id: string, secret: string): string {
  const { path, domain, maxAge, secure, httpOnly, sameSite } = config.cookie
  const parts = [`${config.name}=${encodeURIComponent(`s:${id}.${signature(id, secret)}`)}`, `Path=${path}`]
  if (domain !== undefined) parts.push(`Domain=${domain}`)
  if (typeof maxAge === 'number') parts.push(`Expires=${new Date(Date.now() + maxAge).toUTCString()}`)
  if (httpOnly) parts.push('HttpOnly')
  if (secure === true || (secure === 'auto' && exchange.connection.scheme === 'https')) parts.push('Secure')
  const site = sameSite === true ? 'strict' : sameSite
  if (site !== false) parts.push(`SameSite=${site.charAt(0).toUpperCase()}${site.slice(1)}`)
  return parts.join('; ')
}

function signature(id: string, secret: string): string {
  return createHmac('sha256', secret).update(id).digest('base64').replace(/=+$/, '')
}
