/** `request-transformer`: a JSON or form body → the same with fields added and removed. */
import { z } from 'zod'
import { type Exchange, type Policy, unsupported } from '../policy.ts'
import { mediaType } from '../shared/bearer.ts'
import { bodyChanges, compileBodyChanges, decoded, readJson } from '../shared/body.ts'
import { printForm, readForm } from '../shared/form.ts'

const config = z.strictObject({
  /** Other bodies, and none, go on untouched. */
  body: bodyChanges,
  /** Bytes, after decompression; a larger one gets 413. */
  limit: z.int().min(1).default(102_400),
})
export type Config = z.infer<typeof config>

export const requestTransformer: Policy<Config> = {
  name: 'request-transformer',
  summary: "changes fields of a request's body",
  config,
  engine: (config, context) => {
    const change = compileBodyChanges(config.body, context)

    const transform = async (exchange: Exchange, isForm: boolean): Promise<undefined> => {
      const { headers, body } = exchange.request
      // larger than the limit: the reading throws, and that is 413
      const sent = await body.read(config.limit)
      const bytes = await decoded(sent, headers.get('content-encoding'), config.limit)
      if (bytes === undefined || bytes.length === 0) return undefined
      const text = bytes.toString('utf8')
      const fields = isForm ? readForm(text) : readJson(text)
      // a list has no fields
      if (Array.isArray(fields)) return undefined
      const changed = change(fields as Record<string, unknown>, exchange)
      body.replace(isForm ? printForm(changed) : JSON.stringify(changed))
      headers.set('Content-Type', isForm ? formType : 'application/json')
      headers.delete('Content-Encoding')
      return undefined
    }
    return {
      request: (exchange) => {
        const { body, headers } = exchange.request
        if (body.empty) return undefined
        const type = mediaType(headers.get('content-type'))
        return type === formType || type === 'application/json' ? transform(exchange, type === formType) : undefined
      },
    }
  },
  nginx: () => unsupported('nginx does not look into bodies'),
}

const formType = 'application/x-www-form-urlencoded'
