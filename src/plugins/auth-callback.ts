/** `actionParams.getCommonAuthCallback`: what a strategy found out → the consumer on the request, or 401 or 403. */
import type { ActionParams, AuthCallback, ExpressRequest, ExpressResponse, Next } from './types.ts'

const consumerHeader = 'eg-consumer-id'

/**
 * The result of a passport strategy, as Express Gateway's own policies treat it: with `passThrough` a failure goes on
 * anonymously; an error goes to the error page; a failure is 401, or 403 where `info.unauthorized` says so.
 */
export function getCommonAuthCallback(
  this: ActionParams,
  req: ExpressRequest,
  res: ExpressResponse,
  next: Next,
): AuthCallback {
  return (error, user, info) => {
    if (!isTrue(user) && this['passThrough'] === true) {
      res.setHeader(consumerHeader, 'anonymous')
      next()
    } else if (error !== undefined && error !== null && error !== false) next(error)
    else if (isTrue(user)) {
      logIn(req, user, (problem) => {
        if (problem !== undefined && problem !== null) return next(problem)
        const id = (user as { id?: unknown }).id
        if (typeof id === 'string' || typeof id === 'number') req.headers[consumerHeader] = String(id)
        next()
      })
    } else refuse(res, isTrue((info as { unauthorized?: unknown } | null | undefined)?.unauthorized) ? 403 : 401)
  }
}

/** passport has put `logIn` on every request of this process as soon as it was loaded. */
function logIn(req: ExpressRequest, user: unknown, done: Next): void {
  if (req.logIn === undefined) {
    req.user = user
    done()
  } else req.logIn(user, { session: false }, done)
}

function refuse(res: ExpressResponse, status: 401 | 403): void {
  res.sendStatus(status)
}

function isTrue(value: unknown): boolean {
  return Boolean(value)
}
