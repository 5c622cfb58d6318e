/** Every policy there is → what README.md says it is in nginx; and where it is something, its own examples answered as by the engine. */
import { readFileSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { parse } from 'yaml'
import { emptyModel, type Model, type PolicyUse } from '../../model/model.ts'
import { policies } from '../../policies/list.ts'
import type { AnyPolicy, CompileContext, NginxPiece, Unsupported } from '../../policies/policy.ts'
import { createTestServices } from '../engine/testing.ts'
import { ask, type Backend, type Both, comparable, kinds, type Request, startStage } from './testing/both.ts'

const origin = { source: 'test' }
const asSent: PolicyUse = { policy: 'target-path', config: { from: '/' }, origin }
const context: CompileContext = {
  route: undefined,
  origin,
  model: emptyModel,
  services: createTestServices(),
  certificate: () => undefined,
  report: () => undefined,
  compileCondition: () => () => true,
}

const readmeOf = (name: string): string =>
  readFileSync(new URL(`../../policies/${name}/README.md`, import.meta.url), 'utf8')
const fence = (text: string, language: string): string | undefined =>
  new RegExp(`\`\`\`${language}\\n([\\s\\S]*?)\`\`\``).exec(text)?.[1]

/** The configuration that its README shows, alone or in a list of policies. */
function exampleOf({ name }: AnyPolicy): unknown {
  const shown: unknown = parse(fence(readmeOf(name), 'yaml') ?? '') ?? {}
  const inside = (value: unknown): unknown =>
    typeof value !== 'object' || value === null
      ? undefined
      : name in value
        ? (value as Record<string, unknown>)[name]
        : Object.values(value)
            .map(inside)
            .find((one) => one !== undefined)
  return inside(shown) ?? shown
}

function inNginx(policy: AnyPolicy, config: unknown): NginxPiece | Unsupported {
  return policy.nginx(policy.config.parse(config) as never, context)
}

test('each policy stands in the table with what its example is', () => {
  const table = policies.map((policy) => {
    const said = inNginx(policy, exampleOf(policy))
    return `| \`${policy.name}\` | ${'unsupported' in said ? `engine: ${said.unsupported}` : 'nginx'} |`
  })
  const readme = readFileSync(new URL('README.md', import.meta.url), 'utf8')
  const rows = readme.slice(readme.indexOf('## Policies')).match(/^\| `[^\n]*$/gm)
  expect(rows).toEqual(table)
  for (const policy of policies) {
    const said = inNginx(policy, exampleOf(policy))
    // a reason is a sentence for an operator, not an excuse
    if ('unsupported' in said) expect(said.unsupported.split(' ').length).toBeGreaterThan(3)
  }
})

const served = policies.filter(
  (policy) =>
    !('unsupported' in inNginx(policy, exampleOf(policy))) && fence(readmeOf(policy.name), 'http') !== undefined,
)

describe('examples of what nginx serves', () => {
  let both: Both
  let backend: Backend
  let stop: () => Promise<void>
  beforeAll(async () => {
    ;({ both, backend, stop } = await startStage())
  })
  afterAll(() => stop())

  test('there are some', () => expect(served.length).toBeGreaterThan(6))

  test.each(served)('$name', async (policy) => {
    const use: PolicyUse = { policy: policy.name, config: exampleOf(policy), origin }
    const ofListener = 'path' in inNginx(policy, use.config)
    const model: Model = {
      ...emptyModel,
      listeners: [
        { id: 'l', address: '*', port: 80, protocol: 'http', origin, ...(ofListener ? { policies: [use] } : {}) },
      ],
      routes: [
        {
          id: 'r',
          listeners: ['l'],
          match: {},
          policies: ofListener ? [asSent] : [use],
          action: {
            kind: 'forward',
            forward: { backends: [{ target: { kind: 'backend', id: 'b' } }], forwarded: 'none' },
          },
          origin,
        },
      ],
      backends: [{ id: 'b', protocol: 'http1', origin }],
      endpoints: [{ backend: 'b', addresses: [{ host: '127.0.0.1', port: backend.port }] }],
    }
    await both.apply(model)
    expect(both.nginx.served()).toEqual([{ route: 'r', by: 'nginx' }])
    for (const example of (fence(readmeOf(policy.name), 'http') ?? '').trim().split(/\n\s*\n/)) {
      const raw = requestOf(example)
      if (/\/\.\.?(?:\/|$)/.test(raw.target)) continue // a declared difference
      const [engine, nginx] = await Promise.all(kinds.map((kind) => ask(both.portOf(kind, 80), raw)))
      expect(comparable(nginx!), JSON.stringify(raw)).toEqual(comparable(engine!))
      expect(engine?.status).toBeDefined()
    }
  })
})

/** Lines that begin with `> `: request line, fields, and a body behind an empty one. */
function requestOf(example: string): Request {
  const lines = example.split('\n').flatMap((line) => (line.startsWith('>') ? [line.replace(/^> ?/, '')] : []))
  const [first = '', ...rest] = lines
  const gap = rest.indexOf('')
  const fields = gap === -1 ? rest : rest.slice(0, gap)
  const body = gap === -1 ? undefined : rest.slice(gap + 1).join('\n')
  const [method = 'GET', target = '/'] = first.split(' ')
  const headers = fields.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    return [line.slice(0, colon), line.slice(colon + 1).trim()]
  })
  return {
    method,
    target,
    headers: headers.some(([name]) => name.toLowerCase() === 'host') ? headers : [['Host', 'a.test'], ...headers],
    ...(body === undefined ? {} : { body: { text: body, framing: 'length' as const } }),
  }
}
