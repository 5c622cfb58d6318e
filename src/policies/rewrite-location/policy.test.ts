/** Redirects of a backend to itself become redirects to the gateway; all others are left alone. */
import { expect, test } from 'vitest'
import { answers } from '../testing.ts'
import { rewriteLocation } from './policy.ts'

async function location(config: object, said: string, status = 302): Promise<string | undefined> {
  const [answer] = await answers(
    {
      uses: [
        { policy: 'rewrite-location', config: { backends: ['shop.internal:3000', 'old.internal:80'], ...config } },
      ],
      backend: (_request, _body, response) => response.writeHead(status, { location: said }).end(),
    },
    [{ headers: { host: 'shop.test:8080' } }],
  )
  return answer?.headers.location
}

const client = { host: { kind: 'client' } }
const set = { host: { kind: 'set', name: 'set.test' } }

test.each([
  [client, 'http://shop.internal:3000/a?b#c', 302, 'http://shop.test:8080/a?b#c'],
  [client, 'http://old.internal/a', 301, 'http://shop.test:8080/a'],
  [set, 'http://SHOP.internal:3000/', 308, 'http://set.test/'],
  [{ ...set, scheme: 'https' }, 'http://shop.internal:3000/', 201, 'https://set.test/'],
  [{ scheme: 'https' }, 'http://shop.internal:3000/a', 307, 'https://shop.internal:3000/a'],
  // not a redirect, not its own, not a URL
  [client, 'http://shop.internal:3000/', 200, 'http://shop.internal:3000/'],
  [client, 'http://elsewhere.test/', 302, 'http://elsewhere.test/'],
  [client, '/relative', 302, '/relative'],
])('%j: %s with %i → %s', async (config, said, status, expected) => {
  expect(await location(config, said, status)).toBe(expected)
})

test.each([{ backends: ['a'] }, { backends: [], scheme: 'http' }, { backends: ['a'], scheme: 'ftp' }])(
  '%j is refused',
  (config) => {
    expect(rewriteLocation.config.safeParse(config).success).toBe(false)
  },
)
