/** `strip-identity`: a request → the same without headers that only the gateway may say, unless it has said them. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'
import { headerName } from '../shared/schema.ts'

const config = z.strictObject({
  /** Taken away while there is no consumer: a client cannot name one. */
  headers: z.array(headerName).min(1).default(['eg-consumer-id']),
})
export type Config = z.infer<typeof config>

export const stripIdentity: Policy<Config> = {
  name: 'strip-identity',
  summary: 'takes away what a client says about its own identity',
  config,
  engine: ({ headers }) => {
    const names = headers.map((name) => name.toLowerCase())
    return {
      request: (exchange) => {
        if (exchange.consumer !== undefined) return undefined
        const fields = exchange.request.headers
        for (const name of names) fields.deleteAlike(name)
        return undefined
      },
    }
  },
  nginx: ({ headers }) => {
    const names = new Set(headers.map((name) => name.toLowerCase().replaceAll('_', '-')))
    if ([...names].some((name) => name.split('-').length > MOST))
      return unsupported('a name of so many parts is written in too many ways')
    // an empty value is how nginx leaves a field out
    return {
      location: [...names].flatMap(alike).map((name) => ({ name: 'proxy_set_header', args: [name, ''] })),
    }
  },
}

/** Parts of a name: each more doubles the ways to write it. */
const MOST = 6

/** Every way to write a name with `-` and `_`: many programs read them as the same. */
function alike(name: string): readonly string[] {
  const [first = '', ...rest] = name.split('-')
  return rest.reduce<readonly string[]>(
    (all, part) => all.flatMap((one) => [`${one}-${part}`, `${one}_${part}`]),
    [first],
  )
}
