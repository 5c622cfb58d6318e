/** Few words → Kubernetes objects for the kubelet's tests. */
import type { ContainerSpec, EndpointSlice, Metadata, Pod, PodSpec, Service, Source } from './objects.ts'

const meta = (name: string, more: Partial<Metadata> = {}): Metadata => ({
  name,
  namespace: 'shop',
  uid: `uid-${name}`,
  resourceVersion: '1',
  generation: 3,
  ...more,
})

export const pod = (container: Partial<ContainerSpec> = {}, spec: Partial<PodSpec> = {}): Pod => ({
  metadata: meta('web-1', { labels: { app: 'web' }, annotations: { 'a.b/c': 'note' } }),
  spec: { containers: [{ name: 'web', image: 'web:1', ...container }], serviceAccountName: 'default', ...spec },
})

export const secret = (name: string, data: Readonly<Record<string, string>>): Source => ({
  metadata: meta(name),
  type: 'Opaque',
  data: Object.fromEntries(Object.entries(data).map(([key, value]) => [key, Buffer.from(value).toString('base64')])),
})

export const configMap = (name: string, data: Readonly<Record<string, string>>): Source => ({
  metadata: meta(name),
  data,
})

export const service = (name: string, spec: Service['spec'], status?: Service['status']): Service => ({
  metadata: meta(name),
  spec: { ports: [{ name: 'http', port: 80, protocol: 'TCP' }], ...spec },
  ...(status && { status }),
})

export const slice = (of: string, addresses: readonly string[], more: Partial<EndpointSlice> = {}): EndpointSlice => ({
  metadata: meta(`${of}-x`, { labels: { 'kubernetes.io/service-name': of } }),
  addressType: 'IPv4',
  ports: [{ name: 'http', port: 8080, protocol: 'TCP' }],
  endpoints: addresses.map((address) => ({ addresses: [address], conditions: { ready: true } })),
  ...more,
})
