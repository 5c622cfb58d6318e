/** Volumes → files. */
import { describe, expect, it } from 'vitest'
import { configMap, pod, secret } from './fixtures.ts'
import type { Volume } from './objects.ts'
import { contentOf, type Lookup, renderVolume, sourcesOf } from './volumes.ts'

const lookup: Lookup = (kind, _, name) => {
  if (name !== 'it') return undefined
  return kind === 'Secret' ? secret('it', { 'tls.crt': 'CERT', 'tls.key': 'KEY' }) : configMap('it', { 'ca.crt': 'CA' })
}

function render(volume: Omit<Volume, 'name'>) {
  const rendered = renderVolume({ name: 'v', ...volume }, pod(), lookup, ({ path }) => `token for ${path}`)
  return rendered.kind === 'missing'
    ? rendered.what
    : Object.fromEntries([...rendered.files].map(([path, content]) => [path, content.toString()]))
}

describe('renderVolume', () => {
  it('writes every key of a Secret or ConfigMap, or the items asked for', () => {
    expect(render({ secret: { secretName: 'it' } })).toEqual({ 'tls.crt': 'CERT', 'tls.key': 'KEY' })
    expect(render({ configMap: { name: 'it', items: [{ key: 'ca.crt', path: 'deep/ca.pem' }] } })).toEqual({
      'deep/ca.pem': 'CA',
    })
  })
  it('names the object or the key that is missing, unless it is optional', () => {
    expect(render({ secret: { secretName: 'no' } })).toBe('Secret shop/no')
    expect(render({ configMap: { name: 'it', items: [{ key: 'no', path: 'x' }] } })).toBe('key no of ConfigMap shop/it')
    expect(render({ secret: { secretName: 'no', optional: true } })).toEqual({})
  })
  it('projects tokens, fields and objects into one folder', () => {
    const sources = [
      { serviceAccountToken: { path: 'token' } },
      { configMap: { name: 'it' } },
      { downwardAPI: { items: [{ path: 'namespace', fieldRef: { fieldPath: 'metadata.namespace' } }] } },
    ]
    expect(render({ projected: { sources } })).toEqual({ token: 'token for token', 'ca.crt': 'CA', namespace: 'shop' })
  })
  it('renders an empty folder for emptyDir', () => expect(render({ emptyDir: {} })).toEqual({}))
})

describe('contentOf', () => {
  it('decodes a Secret that came in a list, without its kind', () => {
    expect(
      contentOf(secret('it', { a: 'b' }))
        .get('a')
        ?.toString(),
    ).toBe('b')
  })
  it('takes text and binary data of a ConfigMap', () => {
    const found = contentOf({ ...configMap('it', { a: 'YWJj' }), binaryData: { b: 'YWJj' } })
    expect([found.get('a')?.toString(), found.get('b')?.toString()]).toEqual(['YWJj', 'abc'])
  })
})

it('sourcesOf names what a change of would change the Pod', () => {
  const volumes: Volume[] = [
    { name: 'a', secret: { secretName: 's' } },
    { name: 'b', projected: { sources: [{ configMap: { name: 'c' } }, { secret: { name: 't' } }] } },
    { name: 'c', emptyDir: {} },
  ]
  expect([...sourcesOf(pod({}, { volumes }))]).toEqual(['Secret/s', 'ConfigMap/c', 'Secret/t'])
})
