/** What a plugin is and what it is handed: the contract of Express Gateway 1.16, as types. Types only. */
import type { EventEmitter } from 'node:events'
import type { IncomingMessage, ServerResponse } from 'node:http'

/** What the module of a plugin exports. */
export interface PluginManifest {
  /** Of the contract the plugin was written for: semver, up to 1.2.0. */
  readonly version: string
  readonly name?: string
  readonly description?: string
  init(context: PluginContext): void | Promise<void>
  /** Names, for the command line that installs a plugin. */
  readonly policies?: readonly string[]
  /** JSON schema of the settings; its defaults are written into them. */
  readonly schema?: JsonSchema
  /** Questions of the command line. */
  readonly options?: Readonly<Record<string, unknown>>
}

export type JsonSchema = Readonly<Record<string, unknown>>

export interface PluginContext {
  /** The entry in system.config.yml, with the schema's defaults. */
  readonly settings: Record<string, unknown>
  readonly config: PluginConfig
  readonly services: Readonly<Record<string, Readonly<Record<string, (...args: never[]) => unknown>>>>
  readonly logger: PluginLogger
  readonly eventBus: EventEmitter
  readonly policies: PluginPolicy[]
  readonly conditions: PluginCondition[]
  readonly gatewayRoutes: RouteRegistration[]
  readonly adminRoutes: RouteRegistration[]
  readonly cliExtensions: unknown[]
  registerPolicy(policy: PluginPolicy): void
  registerCondition(condition: PluginCondition): void
  /** The app is mounted in front of every pipeline. */
  registerGatewayRoute(register: RouteRegistration): void
  /** The app is mounted in front of the admin API's own endpoints. */
  registerAdminRoute(register: RouteRegistration): void
  registerCLIExtension(extension: unknown): void
}

/** The configuration as plain objects; written to by nobody but the plugin itself. */
export interface PluginConfig {
  readonly gatewayConfig: Record<string, unknown>
  readonly systemConfig: Record<string, unknown>
  /** JSON schemas by kind: users, applications, credentials. */
  readonly models: Record<string, unknown>
  readonly gatewayConfigPath?: string
  readonly systemConfigPath?: string
}

export interface PluginPolicy {
  readonly name: string
  readonly schema?: JsonSchema
  /** Called once for each use in the configuration, with the parameters of that use. */
  policy(actionParams: ActionParams, config: PluginConfig): Middleware
}

export type ActionParams = Record<string, unknown> & {
  getCommonAuthCallback(request: ExpressRequest, response: ExpressResponse, next: Next): AuthCallback
}

export type AuthCallback = (error: unknown, user?: unknown, info?: unknown) => void

export interface PluginCondition {
  readonly name: string
  readonly schema?: JsonSchema
  /** With two declared parameters: `(request, config) => boolean`; else `(config) => predicate` or the promise of one. */
  handler(...args: never[]): unknown
}

export type RouteRegistration = (app: ExpressApp) => void

export type Next = (error?: unknown) => void
export type Middleware = (request: ExpressRequest, response: ExpressResponse, next: Next) => unknown

export interface PluginLogger {
  error(...words: unknown[]): void
  warn(...words: unknown[]): void
  info(...words: unknown[]): void
  verbose(...words: unknown[]): void
  debug(...words: unknown[]): void
  silly(...words: unknown[]): void
  log(level: string, ...words: unknown[]): void
}

/** An Express 4 request; install @types/express for the whole of it. */
export interface ExpressRequest extends IncomingMessage {
  url: string
  method: string
  originalUrl: string
  baseUrl: string
  readonly path: string
  readonly ip: string
  readonly hostname: string
  query: unknown
  params: Record<string, string>
  route: unknown
  body?: unknown
  user?: unknown
  egContext: EgContext
  res: ExpressResponse
  next: Next
  logIn?(user: unknown, options: unknown, done: (error?: unknown) => void): void
}

/** An Express 4 response. */
export interface ExpressResponse extends ServerResponse {
  req: ExpressRequest
  locals: Record<string, unknown>
  status(code: number): this
  sendStatus(code: number): this
  send(body?: unknown): this
  json(body: unknown): this
  set(name: string, value: string): this
}

export interface ExpressApp {
  (request: IncomingMessage, response: ServerResponse, next: Next): void
  readonly request: object
  readonly response: object
  set(name: string, value: unknown): this
  get(name: string, ...handlers: unknown[]): unknown
  use(...handlers: unknown[]): this
  disable(name: string): this
  [method: string]: unknown
}

/** What expressions and plugins see of one exchange. Plugins may add properties; later expressions see them. */
export interface EgContext {
  readonly req: ExpressRequest
  readonly res: ExpressResponse
  apiEndpoint: unknown
  readonly requestID: string
  readonly consumer: unknown
  readonly egContext: EgContext
  /** Sent to the backend instead of the body. */
  requestStream?: NodeJS.ReadableStream
  run(code: string): unknown
  match(expression: string): boolean
  evaluateAsTemplateString(template: string): unknown
  [property: string]: unknown
}
