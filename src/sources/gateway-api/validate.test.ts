/** What the API server would refuse, refused with its field; what it would complete, completed. */
import { describe, expect, test } from 'vitest'
import { kindSchema, printPath, validateSpec } from './validate.ts'

function problems(kind: string, spec: unknown): readonly string[] {
  const schema = kindSchema('gateway.networking.k8s.io', kind)!
  return validateSpec(schema, spec, 'rules').problems.map(
    (each) =>
      `${each.severity} ${printPath(each.path)}: ${each.message}${each.hint === undefined ? '' : ` (${each.hint})`}`,
  )
}
const rule = (content: object): object => ({ rules: [content] })
const listener = (content: object): object => ({
  gatewayClassName: 'c',
  listeners: [{ name: 'a', port: 80, protocol: 'HTTP', ...content }],
})

describe('structure', () => {
  test.each([
    [
      'HTTPRoute',
      rule({ matches: [{ method: 'NOTREAL' }] }),
      /spec\.rules\[0\]\.matches\[0\]\.method: "NOTREAL" is not known here \(one of GET/,
    ],
    ['HTTPRoute', rule({ backendRefs: [{ name: 'a', port: 800080 }] }), /port: 800080 is too large \(at most 65535\)/],
    ['HTTPRoute', rule({ backendRefs: [{ name: 'a', port: '80' }] }), /port: "80" is not a whole number/],
    ['HTTPRoute', { hostnames: ['http://a<'] }, /hostnames\[0\]: "http:\/\/a<" is not written as it must be/],
    [
      'HTTPRoute',
      rule({
        matches: [
          {
            headers: [
              { name: 'foo', value: 'a' },
              { name: 'foo', value: 'b' },
            ],
          },
        ],
      }),
      /headers\[1\]: name "foo" stands here twice/,
    ],
    ['Gateway', { gatewayClassName: 'c', listeners: [] }, /listeners: has 0 entries \(at least 1\)/],
    ['Gateway', { listeners: [] }, /spec: gatewayClassName is missing/],
    [
      'Gateway',
      { ...listener({}), addresses: [{ value: '1.a.3.4' }] },
      /addresses\[0\]: "1.a.3.4" is not an IP address/,
    ],
    ['ReferenceGrant', { to: [{ group: '', kind: 'Service' }] }, /from is missing/],
    ['TLSRoute', { rules: [{ backendRefs: [{ name: 'a', port: 1 }] }] }, /hostnames is missing/],
  ])('%s %j', (kind, spec, expected) => {
    expect(problems(kind, spec).join('\n')).toMatch(expected)
  })

  test('an unknown field is pruned, and what was meant is named', () => {
    const schema = kindSchema('gateway.networking.k8s.io', 'Gateway')!
    const { spec, problems: found } = validateSpec(schema, listener({ hostnam: 'a.com' }), 'rules')
    expect(found).toMatchObject([
      { severity: 'warning', path: ['spec', 'listeners', 0, 'hostnam'], hint: 'did you mean hostname?' },
    ])
    expect(JSON.stringify(spec)).not.toContain('hostnam')
  })

  test('defaults are applied, also those inside of defaults', () => {
    const schema = kindSchema('gateway.networking.k8s.io', 'HTTPRoute')!
    expect(validateSpec(schema, {}, 'rules').spec).toEqual({
      rules: [{ matches: [{ path: { type: 'PathPrefix', value: '/' } }] }],
    })
    expect(validateSpec(schema, rule({ backendRefs: [{ name: 'a', port: 1 }] }), 'rules').spec).toMatchObject({
      rules: [{ backendRefs: [{ group: '', kind: 'Service', name: 'a', port: 1, weight: 1 }] }],
    })
  })
})

describe('rules', () => {
  test.each([
    ['HTTPRoute', rule({ backendRefs: [{ name: 'a' }] }), /backendRefs\[0\]: a reference to a Service needs a port/],
    [
      'HTTPRoute',
      rule({ matches: [{ path: { value: '//a' } }] }),
      /path: a path of type Exact or PathPrefix may not contain \/\//,
    ],
    [
      'HTTPRoute',
      rule({ filters: [{ type: 'RequestHeaderModifier' }] }),
      /filters\[0\]: type RequestHeaderModifier needs requestHeaderModifier/,
    ],
    [
      'HTTPRoute',
      rule({ filters: [{ type: 'RequestRedirect', requestRedirect: {} }], backendRefs: [{ name: 'a', port: 1 }] }),
      /RequestRedirect and backendRefs cannot stand together/,
    ],
    [
      'HTTPRoute',
      rule({ timeouts: { request: '1s', backendRequest: '2s' } }),
      /backendRequest may not be longer than request/,
    ],
    ['HTTPRoute', { parentRefs: [{ name: 'a' }, { name: 'a' }] }, /a parent that is named twice/],
    ['Gateway', listener({ protocol: 'TCP', hostname: 'a.com' }), /hostname does not go with protocol TCP or UDP/],
    [
      'Gateway',
      listener({ protocol: 'HTTPS', tls: { mode: 'Passthrough' } }),
      /protocol HTTPS goes with tls.mode Terminate only/,
    ],
    [
      'Gateway',
      listener({ tls: { certificateRefs: [{ name: 'a' }] } }),
      /tls does not go with protocol HTTP, TCP or UDP/,
    ],
    ['TLSRoute', { hostnames: ['1.2.3.4'], rules: [{ backendRefs: [{ name: 'a', port: 1 }] }] }, /it must hold that/],
    ['GRPCRoute', rule({ matches: [{ method: { type: 'Exact' } }] }), /it must hold that has\(self\.type\)/],
  ])('%s %j', (kind, spec, expected) => {
    expect(problems(kind, spec).join('\n')).toMatch(expected)
  })

  test('what is good is taken', () => {
    expect(
      problems('Gateway', listener({ protocol: 'HTTPS', port: 443, tls: { certificateRefs: [{ name: 'a' }] } })),
    ).toEqual([])
    expect(
      problems(
        'HTTPRoute',
        rule({
          matches: [{ path: { value: '/a' } }],
          filters: [
            { type: 'URLRewrite', urlRewrite: { path: { type: 'ReplacePrefixMatch', replacePrefixMatch: '/b' } } },
          ],
          backendRefs: [{ name: 'a', port: 1 }],
        }),
      ),
    ).toEqual([])
  })
})
