/** The example in each policy's README is run on the real engine: what it shows is what happens. */
import { existsSync, readFileSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { policies } from './list.ts'
import { bench } from './testing.ts'

const folder = new URL('.', import.meta.url)
const issuer = createServer((request, response) => {
  response.setHeader('content-type', 'application/json')
  let text = ''
  request.on('data', (piece: Buffer) => (text += piece.toString()))
  request.on('end', () => {
    const active = new URLSearchParams(text).get('token') === 'good'
    response.end(JSON.stringify(active ? { active, scope: 'read', id: 'u-7' } : { active }))
  })
})
beforeAll(() => new Promise<void>((resolve) => issuer.listen(0, '127.0.0.1', resolve)))
afterAll(() => new Promise<void>((resolve) => issuer.close(() => resolve())))

/** A README shows an exchange, or its policy needs more than one route and has a test of its own. */
const shown = policies.filter(({ name }) => {
  const file = new URL(`${name}/README.md`, folder)
  return existsSync(file) && /```http\n[>]/.test(readFileSync(file, 'utf8'))
})

test('every policy has a README', () => {
  const without = policies.filter((policy) => !existsSync(new URL(`${policy.name}/README.md`, folder)))
  expect(without.map((policy) => policy.name)).toEqual([])
  expect(shown.length).toBeGreaterThan(24)
})

describe.each(shown)('$name', ({ name }) => {
  test('its example', async () => {
    const text = readFileSync(new URL(`${name}/README.md`, folder), 'utf8')
    const config = fence(text, 'yaml').replaceAll(
      'http://issuer.example',
      `http://127.0.0.1:${(issuer.address() as AddressInfo).port}`,
    )
    const server = await bench({ uses: [{ policy: name, config: parse(config) }] })
    try {
      for (const example of fence(text, 'http')
        .trim()
        .split(/\n\s*\n/)) {
        const asked = part(example, '>')
        const [method = '', path = ''] = asked.first.split(' ')
        const answer = await server.call({
          method,
          path,
          headers: asked.fields,
          ...(asked.body === undefined ? {} : { body: asked.body }),
        })
        const told = part(example, '<')
        expect([String(answer.status), example]).toEqual([told.first.split(' ')[0], example])
        const headers = Object.entries(answer.headers).map(([name, value]) => [name, [value].flat().join(', ')])
        expect(Object.fromEntries(headers)).toMatchObject(told.fields)
        for (const absent of told.absent) expect(answer.headers).not.toHaveProperty([absent])
        if (told.body !== undefined) expect(answer.body).toBe(told.body)
        const backend = part(example, '=')
        if (backend.first === 'nothing') expect(answer.seen).toBeUndefined()
        else if (backend.first !== '') {
          expect(`${answer.seen?.method} ${answer.seen?.target}`).toBe(backend.first)
          expect(answer.seen?.headers).toMatchObject(backend.fields)
          for (const absent of backend.absent) expect(answer.seen?.headers).not.toHaveProperty([absent])
          if (backend.body !== undefined) expect(answer.seen?.body).toBe(backend.body)
        }
      }
    } finally {
      await server.stop()
    }
  })
})

function fence(text: string, language: string): string {
  const found = new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)
  if (found?.[1] === undefined) throw new Error(`no ${language} in the README`)
  return found[1]
}

/** Lines that begin with the sign: the first, then fields (`! name`: absent), after a bare sign the body. */
function part(
  example: string,
  sign: string,
): {
  first: string
  fields: Record<string, string>
  absent: readonly string[]
  body: string | undefined
} {
  const [first = '', ...lines] = example
    .split('\n')
    .filter((line) => line.startsWith(sign))
    .map((line) => line.slice(1).replace(/^ /, ''))
  const bare = lines.indexOf('')
  const head = bare === -1 ? lines : lines.slice(0, bare)
  const fields = head
    .filter((line) => !line.startsWith('!'))
    .map((line): [string, string] => {
      const colon = line.indexOf(':')
      return [line.slice(0, colon).toLowerCase(), line.slice(colon + 1).trim()]
    })
  return {
    first,
    fields: Object.fromEntries(fields),
    absent: head.filter((line) => line.startsWith('!')).map((line) => line.slice(1).trim().toLowerCase()),
    body: bare === -1 ? undefined : lines.slice(bare + 1).join('\n'),
  }
}
