/** Image maps and Pods → what would be run. */
import { describe, expect, it } from 'vitest'
import { field, imageOf, launchOf, readImages } from './environment.ts'
import { configMap, pod, secret } from './fixtures.ts'
import type { ContainerSpec } from './objects.ts'
import type { Lookup } from './volumes.ts'

const objects = {
  'Secret/keys': secret('keys', { token: 's3', 'a-b': 'x' }),
  'ConfigMap/conf': configMap('conf', { mode: 'fast' }),
}
const lookup: Lookup = (kind, namespace, name) =>
  namespace === 'shop' ? objects[`${kind}/${name}` as keyof typeof objects] : undefined
const image = { entrypoint: ['serve'], args: ['--all'], env: { FROM_IMAGE: 'yes' }, path: ['/opt/web'] }

function launch(container: Partial<ContainerSpec>) {
  const it = pod(container)
  return launchOf(it.spec.containers[0]!, it, image, { KUBERNETES_SERVICE_HOST: '10.96.0.1' }, lookup)
}

describe('command line', () => {
  it('is the image’s own when the container names nothing', () => {
    expect(launch({})).toMatchObject({ kind: 'launch', argv: ['serve', '--all'] })
  })
  it('keeps the entrypoint for args alone, and drops the image’s args for a command', () => {
    expect(launch({ args: ['--one'] })).toMatchObject({ argv: ['serve', '--one'] })
    expect(launch({ command: ['sh'] })).toMatchObject({ argv: ['sh'] })
  })
  it('expands $(NAME) of the container’s variables, leaves unknown names, and unescapes $$', () => {
    expect(launch({ env: [{ name: 'A', value: '1' }], args: ['$(A)', '$(B)', '$$(A)'] })).toMatchObject({
      argv: ['serve', '1', '$(B)', '$(A)'],
    })
  })
})

describe('variables', () => {
  const env = (container: Partial<ContainerSpec>) => {
    const it = launch(container)
    return it.kind === 'launch' ? it.env : it
  }
  it('come from values, Secrets, ConfigMaps, fields and resources', () => {
    const found = env({
      resources: { limits: { memory: '64Mi' } },
      env: [
        { name: 'A', value: 'x' },
        { name: 'B', value: '$(A)y' },
        { name: 'TOKEN', valueFrom: { secretKeyRef: { name: 'keys', key: 'token' } } },
        { name: 'MODE', valueFrom: { configMapKeyRef: { name: 'conf', key: 'mode' } } },
        { name: 'NS', valueFrom: { fieldRef: { fieldPath: 'metadata.namespace' } } },
        { name: 'MEMORY', valueFrom: { resourceFieldRef: { resource: 'limits.memory' } } },
        { name: 'CPU', valueFrom: { resourceFieldRef: { resource: 'limits.cpu' } } },
      ],
    })
    expect(found).toMatchObject({
      B: 'xy',
      TOKEN: 's3',
      MODE: 'fast',
      NS: 'shop',
      MEMORY: '64Mi',
      CPU: '2',
      FROM_IMAGE: 'yes',
      HOSTNAME: 'web-1',
    })
  })
  it('come whole from envFrom, with a prefix', () => {
    expect(
      env({ envFrom: [{ prefix: 'P_', secretRef: { name: 'keys' } }, { configMapRef: { name: 'conf' } }] }),
    ).toMatchObject({ P_token: 's3', mode: 'fast' })
  })
  it('name what is missing, unless it is optional', () => {
    expect(env({ env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 'keys', key: 'no' } } }] })).toEqual({
      kind: 'missing',
      what: 'key no of Secret shop/keys',
    })
    expect(env({ envFrom: [{ configMapRef: { name: 'no' } }] })).toEqual({ kind: 'missing', what: 'ConfigMap shop/no' })
    expect(
      env({ env: [{ name: 'T', valueFrom: { secretKeyRef: { name: 'keys', key: 'no', optional: true } } }] }),
    ).not.toHaveProperty('T')
  })
})

describe('field', () => {
  it('reads labels, annotations and whole maps', () => {
    expect(field(pod(), "metadata.labels['app']")).toBe('web')
    expect(field(pod(), "metadata.annotations['a.b/c']")).toBe('note')
    expect(field(pod(), 'metadata.labels')).toBe('app="web"')
    expect(field(pod(), 'status.podIP')).toBe('')
  })
})

describe('image maps', () => {
  const images = { gantry: { entrypoint: ['a'] }, 'team/gantry': { entrypoint: ['b'] } }
  it.each([
    ['gantry:dev', 'a'],
    ['registry.example:5000/x/gantry@sha256:00', 'a'],
    ['registry.example/team/gantry:1', 'b'],
  ])('%s runs %s', (name, program) => expect(imageOf(name, images)?.entrypoint).toEqual([program]))
  it('knows no image by a part of a word', () => expect(imageOf('my-gantry', images)).toBeUndefined())
  it('replaces folders and leaves other variables', () => {
    expect(readImages('{"a":{"entrypoint":["$NODE","$OTHER/x"]}}', { NODE: '/bin/node' })).toEqual({
      a: { entrypoint: ['/bin/node', '$OTHER/x'] },
    })
  })
  it.each(['[]', '{"a":{}}', '{"a":{"entrypoint":"node"}}', '{"a":{"entrypoint":[]}}'])('refuses %s', (text) => {
    expect(() => readImages(text, {})).toThrow(/image/)
  })
})
