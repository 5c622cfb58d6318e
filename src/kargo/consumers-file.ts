/** `consumers.config.js` → who shall be a consumer, checked; or what is wrong with it. */
import { existsSync } from 'node:fs'
import { createRequire } from 'node:module'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import type { Diagnostic } from '../model/diagnostic.ts'

/** As Kargo documents it: one credential for each application, `basic-auth` with a password, others with key id and secret. */
const schema = z.object({
  scopes: z.array(z.string().min(1)).default([]),
  users: z
    .record(
      z.string().min(1),
      z.record(
        z.string().min(1),
        z.object({
          scopes: z.array(z.string()).default([]),
          credential: z.object({
            type: z.enum(['basic-auth', 'jwt', 'key-auth', 'oauth2']),
            password: z.string().min(1).optional(),
            keyId: z.string().min(1).optional(),
            keySecret: z.string().min(1).optional(),
          }),
        }),
      ),
    )
    .default({}),
})
export type ConsumersFile = z.infer<typeof schema>
export type Wanted = ConsumersFile['users'][string][string]

const fileNames = ['consumers.config.js', 'consumers.config.cjs', 'consumers.config.mjs', 'consumers.config.json']

export interface Read {
  /** Undefined: there is no such file, or it must not be used. */
  readonly wanted: ConsumersFile | undefined
  readonly diagnostics: readonly Diagnostic[]
}

/**
 * Runs the file, which is the operator's own and may hold code (it often reads secrets from the environment), as it was run
 * before. Each call runs it anew. All that is wrong is said at once, and then nothing of it is used.
 */
export async function readConsumers(folder: string): Promise<Read> {
  const file = fileNames.map((name) => join(folder, name)).find((path) => existsSync(path))
  if (file === undefined) {
    const message = `there is no ${fileNames[0]} in ${folder}: nobody is populated`
    return {
      wanted: undefined,
      diagnostics: [diagnostic('warning', 'missing', message, 'write one, or take populate out of system.config')],
    }
  }
  try {
    return checkConsumers(await run(file))
  } catch (error) {
    const message = `${fileNames[0]} failed: ${error instanceof Error ? error.message : String(error)}`
    return { wanted: undefined, diagnostics: [diagnostic('error', 'failed', message)] }
  }
}

/** Pure. */
export function checkConsumers(value: unknown): Read {
  const parsed = schema.safeParse(value)
  if (!parsed.success) {
    const diagnostics = parsed.error.issues.map((issue) =>
      diagnostic('error', 'invalid', `${fileNames[0]} ${issue.path.map(String).join('.')}: ${issue.message}`),
    )
    return { wanted: undefined, diagnostics }
  }
  const diagnostics: Diagnostic[] = []
  const owners = new Map<string, string>()
  for (const [user, applications] of Object.entries(parsed.data.users)) {
    for (const [name, { scopes, credential }] of Object.entries(applications)) {
      const place = `users.${user}.${name}`
      const { type, keyId, keySecret, password } = credential
      for (const scope of scopes) {
        if (!parsed.data.scopes.includes(scope)) {
          diagnostics.push(
            diagnostic('error', 'unknown-scope', `${place}: scope ${scope} is not declared`, `add it to scopes`),
          )
        }
      }
      const keyed = type === 'jwt' || type === 'key-auth'
      const wrong = keyed
        ? password === undefined
          ? undefined
          : 'password'
        : keyId !== undefined || keySecret !== undefined
          ? 'keyId and keySecret'
          : undefined
      if (wrong !== undefined)
        diagnostics.push(diagnostic('warning', 'unused', `${place}: ${wrong} means nothing to ${type}`))
      if (!keyed || keyId === undefined) continue
      const key = `${type} ${keyId}`
      const owner = owners.get(key)
      if (owner === undefined) owners.set(key, place)
      else
        diagnostics.push(
          diagnostic(
            'error',
            'duplicate-key',
            `${place}: keyId ${keyId} is already that of ${owner}`,
            'a keyId names one application',
          ),
        )
    }
  }
  const bad = diagnostics.some(({ severity }) => severity === 'error')
  return { wanted: bad ? undefined : parsed.data, diagnostics }
}

async function run(file: string): Promise<unknown> {
  const require = createRequire(file)
  try {
    const path = require.resolve(file)
    delete require.cache[path]
    return require(path) as unknown
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error
    const url = pathToFileURL(file)
    // an ES module is kept by its URL
    url.searchParams.set('run', String(process.hrtime.bigint()))
    return ((await import(url.href)) as { default?: unknown }).default
  }
}

function diagnostic(severity: Diagnostic['severity'], code: string, message: string, hint?: string): Diagnostic {
  const origin = { source: 'express-gateway', object: 'plugin populate', file: 'consumers.config.js' }
  return { code: `populate/${code}`, severity, message, origin, ...(hint === undefined ? {} : { hint }) }
}
