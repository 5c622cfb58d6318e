/** A Gateway → the objects that serve it in a cluster: ServiceAccount, Deployment and Services of its data planes. Pure. */
import type { Diagnostic } from '../../model/diagnostic.ts'
import {
  addressServiceName,
  gatewayAnnotation,
  gatewayNameLabel,
  infrastructureName,
  labelValue,
  managedByLabel,
} from './names.ts'
import { diagnose } from './origin.ts'
import type { ConfigMap, Gateway } from './resources.ts'
import { group, keyOf } from './resources.ts'
import type { GatewayView } from './gateway.ts'

/** What the controller knows of itself and hands on to its data planes. */
export interface DataPlaneOptions {
  readonly image: string
  /** Arguments before `--fleet NAMESPACE/NAME`. */
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
  /** What the data planes of a fleet need to be let in by the control plane: files of a Secret, mounted at /etc/gantry/control. */
  secretOf(fleet: string): Readonly<Record<string, string>>
  /** Where the data plane says that it is ready. */
  readonly healthPort: number
}

/** An object for the API server; applied by server-side apply under one field manager. */
export interface Manifest {
  readonly apiVersion: string
  readonly kind: string
  readonly metadata: {
    readonly name: string
    readonly namespace: string
    readonly labels: Readonly<Record<string, string>>
    readonly annotations: Readonly<Record<string, string>>
    readonly ownerReferences: readonly unknown[]
  }
  readonly [field: string]: unknown
}

/** What a ConfigMap behind parametersRef may say. */
export interface Parameters {
  readonly replicas: number
  readonly serviceType: 'LoadBalancer' | 'NodePort' | 'ClusterIP'
  readonly image?: string
  readonly resources: Readonly<Record<'requests' | 'limits', Readonly<Record<string, string>>>>
}

const usual: Parameters = {
  replicas: 1,
  serviceType: 'LoadBalancer',
  resources: { requests: { cpu: '50m', memory: '64Mi' }, limits: {} },
}

/** Objects of a Gateway of ours. `parameters`: those of its class first, then its own, which win. */
export function infrastructureOf(
  view: GatewayView,
  parameters: readonly ConfigMap[],
  options: DataPlaneOptions,
): { readonly manifests: readonly Manifest[]; readonly diagnostics: readonly Diagnostic[] } {
  const { gateway } = view
  const diagnostics: Diagnostic[] = []
  const settings = parameters.reduce((known, each) => readParameters(each, known, diagnostics), usual)
  const name = infrastructureName(gateway.metadata)
  const selector = { [gatewayNameLabel]: labelValue(gateway.metadata.name), [managedByLabel]: 'gantry' }
  const metadata = (own: string): Manifest['metadata'] => ({
    name: own,
    namespace: gateway.metadata.namespace,
    labels: { ...gateway.spec.infrastructure?.labels, 'app.kubernetes.io/name': 'gantry', ...selector },
    annotations: { ...gateway.spec.infrastructure?.annotations, [gatewayAnnotation]: gateway.metadata.name },
    ownerReferences: [
      {
        apiVersion: `${group}/v1`,
        kind: 'Gateway',
        name: gateway.metadata.name,
        uid: gateway.metadata.uid ?? '',
        controller: true,
        blockOwnerDeletion: true,
      },
    ],
  })
  const ports = portsOf(view)
  // a Service must have a port; a Gateway that cannot serve gets none, and no data plane either
  if (ports.length === 0)
    return { manifests: [{ apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(name) }], diagnostics }
  const service = (own: string, spec: object): Manifest => ({
    apiVersion: 'v1',
    kind: 'Service',
    metadata: metadata(own),
    spec: { selector, ports, ...spec },
  })
  const { dynamic, fixed } = addressesOf(gateway)
  return {
    manifests: [
      { apiVersion: 'v1', kind: 'ServiceAccount', metadata: metadata(name), automountServiceAccountToken: false },
      { apiVersion: 'v1', kind: 'Secret', metadata: metadata(name), stringData: options.secretOf(keyOf(gateway)) },
      deployment(gateway, metadata(name), selector, settings, options),
      service(name, { type: dynamic ? settings.serviceType : 'ClusterIP' }),
      // one for each, so that each is given or refused by itself
      ...fixed.map((address) =>
        service(addressServiceName(gateway.metadata, address), { type: 'LoadBalancer', loadBalancerIP: address }),
      ),
    ],
    diagnostics,
  }
}

/** Ports of listeners that serve; several listeners of one port share it. */
function portsOf(view: GatewayView): readonly object[] {
  const ports = new Map<string, object>()
  for (const { spec, ids } of [...view.listeners, ...view.sets.flatMap((set) => set.listeners)]) {
    if (ids.length === 0) continue
    const protocol = spec.protocol === 'UDP' ? 'UDP' : 'TCP'
    const name = `${protocol.toLowerCase()}-${spec.port}`
    ports.set(name, { name, port: spec.port, targetPort: spec.port, protocol })
  }
  return [...ports.entries()].sort(([left], [right]) => (left < right ? -1 : 1)).map(([, port]) => port)
}

function addressesOf({ spec }: Gateway): { readonly dynamic: boolean; readonly fixed: readonly string[] } {
  const asked = spec.addresses ?? []
  const open = asked.filter((each) => each.value === undefined || each.value === '')
  return {
    dynamic: asked.length === 0 || open.some((each) => each.routability !== 'Cluster'),
    fixed: [...new Set(asked.flatMap((each) => (each.value === undefined || each.value === '' ? [] : [each.value])))],
  }
}

function deployment(
  gateway: Gateway,
  metadata: Manifest['metadata'],
  selector: Readonly<Record<string, string>>,
  settings: Parameters,
  options: DataPlaneOptions,
): Manifest {
  return {
    apiVersion: 'apps/v1',
    kind: 'Deployment',
    metadata,
    spec: {
      replicas: settings.replicas,
      selector: { matchLabels: selector },
      template: {
        metadata: { labels: metadata.labels, annotations: metadata.annotations },
        spec: {
          serviceAccountName: metadata.name,
          automountServiceAccountToken: false,
          terminationGracePeriodSeconds: 60,
          securityContext: {
            runAsNonRoot: true,
            runAsUser: 65532,
            seccompProfile: { type: 'RuntimeDefault' },
            // listeners bind the ports they name; this is one of the safe sysctls
            sysctls: [{ name: 'net.ipv4.ip_unprivileged_port_start', value: '0' }],
          },
          containers: [
            {
              name: 'gantry',
              image: settings.image ?? options.image,
              args: [...options.args, '--fleet', keyOf(gateway)],
              env: [
                // what it is called in the log of the controller
                { name: 'GANTRY_NAME', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
                ...Object.entries(options.environment).map(([name, value]) => ({ name, value })),
              ],
              resources: settings.resources,
              securityContext: {
                allowPrivilegeEscalation: false,
                readOnlyRootFilesystem: true,
                capabilities: { drop: ['ALL'] },
              },
              volumeMounts: [
                { name: 'cache', mountPath: '/var/lib/gantry' },
                { name: 'control', mountPath: '/etc/gantry/control', readOnly: true },
              ],
              readinessProbe: { httpGet: { path: '/readyz', port: options.healthPort }, periodSeconds: 1 },
              // answers whoever else is away; a minute, since under load a data plane has better things to do
              livenessProbe: {
                httpGet: { path: '/healthz', port: options.healthPort },
                periodSeconds: 10,
                timeoutSeconds: 5,
                failureThreshold: 6,
              },
            },
          ],
          volumes: [
            { name: 'cache', emptyDir: {} },
            { name: 'control', secret: { secretName: metadata.name } },
          ],
        },
      },
    },
  }
}

/** `replicas`, `serviceType`, `image`, `cpu`, `memory`, `cpuLimit`, `memoryLimit`. */
function readParameters(config: ConfigMap, known: Parameters, diagnostics: Diagnostic[]): Parameters {
  let result = known
  for (const [name, value] of Object.entries(config.spec.data)) {
    const wrong = (hint: string): void => {
      diagnostics.push(
        diagnose('parameters', 'error', config, `data.${name}`, `${JSON.stringify(value)} cannot be used`, hint),
      )
    }
    const resource = (kind: 'requests' | 'limits', which: string): void => {
      if (!/^\d+(\.\d+)?(m|Ki|Mi|Gi|k|M|G)?$/.test(value)) return wrong('a quantity, for example 100m or 256Mi')
      result = { ...result, resources: { ...result.resources, [kind]: { ...result.resources[kind], [which]: value } } }
    }
    switch (name) {
      case 'replicas':
        if (/^\d{1,3}$/.test(value)) result = { ...result, replicas: Number(value) }
        else wrong('a whole number')
        break
      case 'serviceType':
        if (value === 'LoadBalancer' || value === 'NodePort' || value === 'ClusterIP')
          result = { ...result, serviceType: value }
        else wrong('LoadBalancer, NodePort or ClusterIP')
        break
      case 'image':
        result = { ...result, image: value }
        break
      case 'cpu':
      case 'memory':
        resource('requests', name)
        break
      case 'cpuLimit':
      case 'memoryLimit':
        resource('limits', name === 'cpuLimit' ? 'cpu' : 'memory')
        break
      default:
        diagnostics.push(
          diagnose(
            'parameters',
            'warning',
            config,
            `data.${name}`,
            'is not known, it is ignored',
            'replicas, serviceType, image, cpu, memory, cpuLimit, memoryLimit',
          ),
        )
    }
  }
  return result
}
