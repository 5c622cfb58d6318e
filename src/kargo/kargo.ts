/** Kargo's plugins as parts of the gateway: who is populated, and what the admin API serves for them. */
import { existsSync } from 'node:fs'
import type { ServerResponse } from 'node:http'
import { join } from 'node:path'
import { pipeline } from 'node:stream'
import type { Consumers } from '../consumers/consumers.ts'
import type { Handler } from '../lib/handler.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import type { Reply } from '../policies/policy.ts'
import type { Events } from '../policies/services.ts'
import { config as storageConfig } from '../policies/storage/policy.ts'
import { createStorage, type Storage } from '../policies/storage/storage.ts'
import type { PluginWish } from '../sources/source.ts'
import { readConsumers } from './consumers-file.ts'
import { populate } from './populate.ts'

export interface Kargo {
  /**
   * What is wished for of Kargo's plugins comes true; the others are given back, to be loaded. Never rejects: what fails is a
   * diagnostic, and the rest goes on.
   */
  load(wishes: readonly PluginWish[], folder: string, consumers: Consumers | undefined): Promise<Loaded>
  /** The endpoints of metrics, s3 and storage on the admin API. */
  readonly adminHandler: Handler
}

export interface Loaded {
  readonly others: readonly PluginWish[]
  readonly diagnostics: readonly Diagnostic[]
}

export interface KargoOptions {
  readonly events: Events
  readonly metrics: ExposedMetrics
  readonly environment?: Readonly<Record<string, string | undefined>>
}

/** What all processes that serve have counted together. */
export interface ExposedMetrics {
  expose(): Promise<{ readonly contentType: string; readonly text: string }>
  objects(): Promise<readonly object[]>
}

const names = ['healthcheck', 'metrics', 'scopes', 'populate', 's3', 'storage'] as const
type Name = (typeof names)[number]

/**
 * One of Kargo's, by its name and by the path that Kargo's configuration loads it from. Somebody's own file of that name is
 * somebody's own plugin.
 */
export function kargoPlugin({ name, package: file, from }: PluginWish): Name | undefined {
  const known = names.find((one) => one === name)
  if (
    known === undefined ||
    file === undefined ||
    !new RegExp(`^\\./plugins/${known}(\\.js|/index\\.js|/)?$`).test(file)
  )
    return undefined
  const base = join(from, 'plugins', known)
  return existsSync(`${base}.js`) || existsSync(join(base, 'index.js')) ? undefined : known
}

export function createKargo({ events, metrics, environment = process.env }: KargoOptions): Kargo {
  let routes: readonly Handler[] = []
  return {
    load: async (wishes, folder, consumers) => {
      const diagnostics: Diagnostic[] = []
      const others: PluginWish[] = []
      const next: Handler[] = []
      for (const wish of wishes) {
        switch (kargoPlugin(wish)) {
          case undefined:
            others.push(wish)
            break
          case 'healthcheck':
          case 'scopes':
            // policies, which the source names
            break
          case 'metrics':
            next.push(metricsRoute(metrics, pathOf(wish, '/metrics')))
            break
          case 'populate':
            diagnostics.push(...(await populateFrom(folder, consumers, events)))
            break
          case 's3':
            addStorage(wish, legacyProviders(environment), '/s3', next, diagnostics, events)
            break
          case 'storage':
            addStorage(wish, providersOf(wish), '/s3', next, diagnostics, events)
            break
        }
      }
      routes = next
      return { others, diagnostics }
    },
    adminHandler: async (request, response, url) => {
      for (const route of routes) if (await route(request, response, url)) return true
      return false
    },
  }
}

async function populateFrom(
  folder: string,
  consumers: Consumers | undefined,
  events: Events,
): Promise<readonly Diagnostic[]> {
  const { wanted, diagnostics } = await readConsumers(folder)
  if (wanted === undefined) return diagnostics
  if (consumers === undefined) return [...diagnostics, complaint('populate', 'there is no store to populate')]
  try {
    const done = await populate(consumers, wanted)
    const words = `${done.created} created, ${done.updated} updated, ${done.removed} removed, ${done.unchanged} unchanged`
    events.emit('info', 'populate/done', `populated consumers: ${words}`, { ...done })
    return diagnostics
  } catch (error) {
    return [
      ...diagnostics,
      complaint('populate', `consumers were not populated: ${error instanceof Error ? error.message : String(error)}`),
    ]
  }
}

/** Prometheus's text to who takes it, else JSON, as the plugin did. */
function metricsRoute(metrics: ExposedMetrics, path: string): Handler {
  return async (request, response, url) => {
    if (url.pathname !== path || (request.method !== 'GET' && request.method !== 'HEAD')) return false
    const accept = request.headers.accept ?? '*/*'
    const text = /\*\/\*|text\/(\*|plain)|openmetrics/.test(accept)
    const { contentType, text: body } = text
      ? await metrics.expose()
      : { contentType: 'application/json; charset=utf-8', text: JSON.stringify(await metrics.objects()) }
    send(response, request.method, { kind: 'reply', status: 200, headers: [['Content-Type', contentType]], body })
    return true
  }
}

function addStorage(
  wish: PluginWish,
  providers: Readonly<Record<string, unknown>>,
  path: string,
  routes: Handler[],
  diagnostics: Diagnostic[],
  events: Events,
): void {
  const parsed = storageConfig.safeParse({ path: pathOf(wish, path), providers })
  if (parsed.success) {
    routes.push(
      storageRoute(
        createStorage(parsed.data, (message, facts) => events.emit('warn', 'storage/failed', message, facts)),
      ),
    )
    return
  }
  for (const issue of parsed.error.issues) {
    diagnostics.push(complaint(wish.name, `plugin ${wish.name} ${issue.path.map(String).join('.')}: ${issue.message}`))
  }
}

function storageRoute(storage: Storage): Handler {
  return async (request, response, url) => {
    const abort = new AbortController()
    const serving = storage.serve({
      method: request.method ?? 'GET',
      // as it was sent: a URL object tidies paths
      path: (request.url ?? '/').split('?')[0] ?? '/',
      query: url.search.slice(1),
      header: (name) => {
        const value = request.headers[name]
        return Array.isArray(value) ? value.join(', ') : value
      },
      signal: abort.signal,
    })
    if (serving === undefined) return false
    response.once('close', () => abort.abort())
    send(response, request.method, await serving)
    return true
  }
}

function send(response: ServerResponse, method: string | undefined, { status, headers = [], body = '' }: Reply): void {
  for (const [name, value] of headers) response.setHeader(name, value)
  response.statusCode = status
  if (typeof body === 'string' || Buffer.isBuffer(body)) response.end(method === 'HEAD' ? undefined : body)
  else if (method === 'HEAD') {
    body.destroy()
    response.end()
  }
  // an object that breaks off cuts the connection: nobody takes half of it for all
  else pipeline(body, response, () => undefined)
}

/** What the old client took, in our words; all that it did not know is left to the schema to refuse. */
function providersOf(wish: PluginWish): Readonly<Record<string, unknown>> {
  const given = wish.settings['providers']
  if (typeof given !== 'object' || given === null) return {}
  return Object.fromEntries(
    Object.entries(given as Record<string, Record<string, unknown>>).map(([name, provider]) => {
      const { s3ForcePathStyle, signatureVersion: _version, endpoint, ...rest } = provider
      const style =
        s3ForcePathStyle === true ? { addressing: 'path' } : s3ForcePathStyle === false ? { addressing: 'host' } : {}
      return [name, { ...withoutNothing(rest), ...endpointOf(endpoint), ...style }]
    }),
  )
}

function legacyProviders(environment: NonNullable<KargoOptions['environment']>): Readonly<Record<string, unknown>> {
  const keys = withoutNothing({
    accessKeyId: environment['S3_ACCESS_KEY'],
    secretAccessKey: environment['S3_SECRET_ACCESS_KEY'],
  })
  return { s3: { ...keys, ...endpointOf(environment['S3_ENDPOINT']), default: true } }
}

/** Endpoints are often written without a scheme; an unset variable is nothing, or the word null. */
function endpointOf(endpoint: unknown): { readonly endpoint?: string } {
  if (typeof endpoint !== 'string' || endpoint === '' || endpoint === 'null') return {}
  return { endpoint: /^https?:\/\//.test(endpoint) ? endpoint : `https://${endpoint}` }
}

function withoutNothing(values: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(values).filter(([, value]) => !['', 'null', null, undefined].includes(value as string)),
  )
}

function pathOf(wish: PluginWish, otherwise: string): string {
  const path = wish.settings['endpointName']
  return typeof path === 'string' ? path : otherwise
}

function complaint(plugin: string, message: string): Diagnostic {
  const origin = {
    source: 'express-gateway',
    object: `plugin ${plugin}`,
    file: 'system.config.yml',
    field: `plugins.${plugin}`,
  }
  return { code: `kargo/${plugin}`, severity: 'error', message, origin }
}
