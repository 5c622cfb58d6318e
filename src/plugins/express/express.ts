/** The two packages that plugins share with us, Express 4 and passport 0.4, with the few types that are used here. */
import { createRequire } from 'node:module'
import type { ExpressApp, ExpressRequest, Middleware } from '../types.ts'

// through require: plugins are CommonJS and must meet the very same instances
const require = createRequire(import.meta.url)

interface ExpressModule {
  (): ExpressApp
  readonly request: object
  readonly response: object
}

interface Passport {
  initialize(): Middleware
}

let loaded: { readonly express: ExpressModule; readonly passport: Passport } | undefined

/** Loaded when the first plugin is: a gateway without plugins does not pay for Express. */
function load(): { readonly express: ExpressModule; readonly passport: Passport } {
  loaded ??= { express: require('express') as ExpressModule, passport: require('passport') as Passport }
  return loaded
}

/** An Express application whose requests are ours: see pair.ts. */
export function createApp(): ExpressApp {
  const { express } = load()
  const app = express()
  app.disable('x-powered-by')
  return app
}

/** `req.logIn`, `req.isAuthenticated` and strategies work as after `passport.initialize()`. */
export function initializePassport(request: ExpressRequest): void {
  const { passport } = load()
  Object.assign(request, { _passport: { instance: passport } })
}

/** The parser behind `req.query`: what the app's setting `query parser` says. */
export function parseQuery(app: ExpressApp, query: string): unknown {
  const parse = app.get('query parser fn') as ((text: string) => unknown) | undefined
  return parse === undefined ? {} : parse(query)
}
