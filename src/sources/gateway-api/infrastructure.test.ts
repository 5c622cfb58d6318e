/** What is made for a Gateway: names, labels, ports, addresses, parameters. */
import { expect, test } from 'vitest'
import { decode } from './decode.ts'
import { infrastructureOf } from './infrastructure.ts'
import type { DataPlaneOptions, Manifest } from './infrastructure.ts'
import { addressServiceName, infrastructureName, labelValue } from './names.ts'
import type { AnyResource, ConfigMap, Gateway } from './resources.ts'
import { translateGateway } from './gateway.ts'
import { viewOf } from './view.ts'

const options: DataPlaneOptions = {
  image: 'gantry:1',
  args: ['data-plane'],
  environment: { GANTRY_CONTROL: 'wss://gantry:19000' },
  secretOf: (fleet) => ({ token: `of ${fleet}` }),
  healthPort: 19001,
}

function resource(raw: unknown): AnyResource {
  const decoded = decode(raw, { depth: 'rules', namespace: 'default' })
  if (decoded.kind !== 'resource') throw new Error(JSON.stringify(decoded))
  return decoded.resource
}

function wanted(spec: object, parameters: readonly ConfigMap[] = [], name = 'web'): readonly Manifest[] {
  const raw = {
    apiVersion: 'gateway.networking.k8s.io/v1',
    kind: 'Gateway',
    metadata: { name, uid: 'u' },
    spec: { gatewayClassName: 'c', listeners: [{ name: 'a', port: 80, protocol: 'HTTP' }], ...spec },
  }
  const gateway = resource(raw) as Gateway
  const view = translateGateway(
    gateway,
    viewOf((question) =>
      question === 'place'
        ? { kind: 'cluster' }
        : question.startsWith('object GatewayClass')
          ? { spec: { controllerName: 'x' } }
          : question === 'controllerName'
            ? 'x'
            : question.startsWith('object')
              ? undefined
              : [],
    ),
  )
  return infrastructureOf(view!, parameters, options).manifests
}

const specOf = (manifest: Manifest | undefined): Record<string, unknown> =>
  manifest?.['spec'] as Record<string, unknown>

test('one Deployment and Service, owned by the Gateway, with its labels and annotations everywhere', () => {
  const manifests = wanted({ infrastructure: { labels: { team: 'a' }, annotations: { note: 'b' } } })
  expect(manifests.map((each) => `${each.kind} ${each.metadata.name}`)).toEqual([
    'ServiceAccount gantry-web',
    'Secret gantry-web',
    'Deployment gantry-web',
    'Service gantry-web',
  ])
  for (const { metadata } of manifests) {
    expect(metadata.labels).toMatchObject({ team: 'a', 'gateway.networking.k8s.io/gateway-name': 'web' })
    expect(metadata.annotations).toMatchObject({ note: 'b' })
    expect(metadata.ownerReferences).toMatchObject([{ kind: 'Gateway', name: 'web', uid: 'u' }])
  }
  const template = specOf(manifests[2])['template'] as { metadata: { labels: object } }
  expect(template.metadata.labels).toMatchObject({ team: 'a' })
})

test('ports of listeners that serve, each once; UDP and TCP may share a number', () => {
  const listeners = [
    { name: 'a', port: 80, protocol: 'HTTP', hostname: 'a.com' },
    { name: 'b', port: 80, protocol: 'HTTP', hostname: 'b.com' },
    { name: 'c', port: 53, protocol: 'TCP' },
    { name: 'd', port: 53, protocol: 'UDP' },
    { name: 'e', port: 99, protocol: 'NONSENSE' },
  ]
  const ports = specOf(wanted({ listeners }).find((each) => each.kind === 'Service'))['ports'] as { name: string }[]
  expect(ports.map((each) => each.name)).toEqual(['tcp-53', 'tcp-80', 'udp-53'])
  expect(wanted({ listeners: [listeners[4]] }).map((each) => each.kind)).toEqual(['ServiceAccount'])
})

test('who asks for addresses inside the cluster alone gets a Service that has no others', () => {
  const typeOf = (...scopes: readonly string[]): unknown => {
    const addresses = scopes.map((routability) => ({ type: 'IPAddress', routability }))
    return specOf(wanted({ addresses }).find((each) => each.kind === 'Service'))['type']
  }
  expect(typeOf('Cluster')).toBe('ClusterIP')
  expect(typeOf('Cluster', 'testing.x-k8s.io/sentinel')).toBe('LoadBalancer')
})

test('an address that is asked for gets a Service of its own', () => {
  const manifests = wanted({
    addresses: [
      { type: 'IPAddress', value: '10.0.0.9' },
      { type: 'IPAddress', value: '192.0.2.1' },
    ],
  })
  const services = manifests.filter((each) => each.kind === 'Service')
  expect(services.map((each) => [specOf(each)['type'], specOf(each)['loadBalancerIP']])).toEqual([
    ['ClusterIP', undefined],
    ['LoadBalancer', '10.0.0.9'],
    ['LoadBalancer', '192.0.2.1'],
  ])
})

test('parameters: the later ones win, nonsense is said', () => {
  const map = (data: object): ConfigMap =>
    resource({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name: 'p' }, data }) as ConfigMap
  const manifests = wanted({}, [
    map({ replicas: '2', serviceType: 'NodePort' }),
    map({ replicas: '3', memoryLimit: '1Gi' }),
  ])
  expect(specOf(manifests[2])['replicas']).toBe(3)
  expect(specOf(manifests[3])['type']).toBe('NodePort')
})

test('names of 253 characters, and with dots, become names and labels of 63', () => {
  const long = { name: 'n'.repeat(253), namespace: 'default' }
  for (const name of [
    infrastructureName(long),
    addressServiceName(long, '10.0.0.1'),
    labelValue(long.name),
    infrastructureName({ name: 'a.b', namespace: 'default' }),
  ]) {
    expect(name).toMatch(/^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/)
  }
  expect(infrastructureName({ name: 'a.b', namespace: '' })).not.toBe(
    infrastructureName({ name: 'a-b', namespace: '' }),
  )
  expect(addressServiceName(long, '10.0.0.1')).not.toBe(addressServiceName(long, '10.0.0.2'))
  expect(wanted({}, [], 'n'.repeat(253)).length).toBe(4)
})
