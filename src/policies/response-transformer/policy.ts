/** `response-transformer`: a backend's JSON body → the same with fields added and removed. */
import { z } from 'zod'
import { BodyTooLarge, type Exchange, type Policy, Refusal, unsupported } from '../policy.ts'
import { mediaType } from '../shared/bearer.ts'
import { bodyChanges, compileBodyChanges, decoded, deepest, tooDeep } from '../shared/body.ts'
import { nestedDeeper } from '../../lib/json/nesting.ts'

const config = z.strictObject({
  /** Bodies that are not a JSON object go on untouched. */
  body: bodyChanges,
  /** Bytes, after decompression. */
  limit: z.int().min(1).default(10_485_760),
  /** A JSON body beyond the limit, or nested deeper than 512 levels: `refuse` answers 502, since a field that must be removed must not slip through; `pass` sends it as it is. */
  tooLarge: z.enum(['refuse', 'pass']).default('refuse'),
})
export type Config = z.infer<typeof config>

export const responseTransformer: Policy<Config> = {
  name: 'response-transformer',
  summary: "changes fields of a backend's JSON body",
  config,
  engine: (config, context) => {
    const change = compileBodyChanges(config.body, context)

    const transform = async (exchange: Exchange): Promise<void> => {
      const { headers, body } = exchange.response
      try {
        const bytes = await decoded(await body.read(config.limit), headers.get('content-encoding'), config.limit)
        const fields = bytes === undefined ? undefined : objectIn(bytes)
        if (fields === undefined) return
        body.replace(JSON.stringify(change(fields, exchange)))
        headers.delete('Content-Encoding')
        // they speak of the body as the backend sent it
        for (const name of ['ETag', 'Content-MD5', 'Digest', 'Content-Digest', 'Accept-Ranges']) headers.delete(name)
      } catch (error) {
        if (error instanceof Refusal && config.tooLarge === 'pass') return
        if (error instanceof BodyTooLarge || error instanceof Refusal) throw new Refusal(502, error.message)
        throw error
      }
    }
    return {
      response: (exchange) => {
        const { response, request } = exchange
        if (response.from !== 'backend' || response.body.empty || request.method === 'HEAD') return undefined
        // a part of a document is no document
        if (response.status === 206 || !mayBeJson(response.headers.get('content-type'))) return undefined
        return transform(exchange)
      },
    }
  },
  nginx: () => unsupported('nginx does not look into bodies'),
}

/** Streams of events and lines of JSON are not held back to be looked at. */
function mayBeJson(contentType: string | undefined): boolean {
  const type = mediaType(contentType)
  return type === '' || type === 'application/json' || type === 'text/json' || type.endsWith('+json')
}

/** A Refusal where it is nested too deeply to be changed. */
function objectIn(bytes: Buffer): Record<string, unknown> | undefined {
  let value: unknown
  try {
    value = JSON.parse(bytes.toString('utf8'))
  } catch (error) {
    if (error instanceof SyntaxError) return undefined
    throw error
  }
  if (typeof value !== 'object' || value === null || Array.isArray(value)) return undefined
  if (bytes.length > deepest && nestedDeeper(value, deepest)) throw new Refusal(502, tooDeep)
  return value as Record<string, unknown>
}
