/** GET and POST /login, GET /logout. */
import type { Exchange, Reply } from '../policy.ts'
import type { Authorizations } from '../services.ts'
import { loginPage } from './pages.ts'
import { bodyOf, html, isForeign, isReply, page, redirect } from './request.ts'
import type { Sessions } from './session.ts'

export function showLogin(): Reply {
  return page(200, loginPage())
}

/** Only users have sessions: an application's password opens nothing here. */
export async function login(exchange: Exchange, authorizations: Authorizations, sessions: Sessions): Promise<Reply> {
  if (isForeign(exchange)) return html(403, 'Forbidden', 'This form was sent by a page of another site.')
  const body = await bodyOf(exchange)
  if (isReply(body)) return body
  const username = body('username')
  const password = body('password')
  if (username === undefined || password === undefined) return redirect('/login')
  const user = await authorizations.authenticate('basic-auth', username, password)
  if (user?.id === undefined || user.type !== 'user') return redirect('/login')
  const before = await sessions.read(exchange)
  const { returnTo, ...data } = before.data
  const session = await sessions.renew(before)
  const cookie = await sessions.write(exchange, session, { ...data, authorize: {}, passport: { user: user.id } })
  return redirect(returnTo ?? '/', cookie)
}

export async function logout(exchange: Exchange, sessions: Sessions): Promise<Reply> {
  await sessions.end(await sessions.read(exchange))
  return redirect('/')
}
