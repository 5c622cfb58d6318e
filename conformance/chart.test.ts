/** deploy/helm/gantry → the objects of deploy/kubernetes, and a release that is installed, changed and taken away. Real Helm. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { parseAllDocuments } from 'yaml'
import { type ApiServer, startApiServer, whyNoApiServer } from './lab.ts'
import { runsFor } from './loud.ts'
import { builtHelm, whyNoHelm } from './programs.ts'

const execute = promisify(execFile)
const deploy = join(import.meta.dirname, '../deploy')
const chart = join(deploy, 'helm/gantry')
const release = ['gantry', chart, '--namespace', 'gantry-system']

interface Manifest {
  readonly kind: string
  readonly metadata: { readonly name: string }
}

/** YAML documents → objects by kind and name. */
function objectsIn(text: string): ReadonlyMap<string, Manifest> {
  const all = parseAllDocuments(text).map((document) => document.toJS() as Manifest | null)
  return new Map(all.flatMap((each) => (each ? [[`${each.kind}/${each.metadata.name}`, each] as const] : [])))
}

async function helm(...args: readonly string[]): Promise<string> {
  const { stdout } = await execute(builtHelm() ?? 'helm', [...args], { env: { ...process.env, KUBECONFIG: '' } })
  return stdout
}

const rendered = async (...more: readonly string[]) => objectsIn(await helm('template', ...release, ...more))

describe.runIf(runsFor('the Helm chart', whyNoHelm()))('the chart, rendered', { timeout: 60_000 }, () => {
  const manifests = objectsIn(readFileSync(join(deploy, 'kubernetes/gantry.yaml'), 'utf8'))

  it('is the manifests, but for the Namespace, which Helm makes', async () => {
    const expected = new Map(manifests)
    expect(expected.delete('Namespace/gantry-system')).toBe(true)
    expect(await rendered()).toEqual(expected)
  })

  it('is the manifests, all of them, where it has to make the Namespace', async () => {
    expect(await rendered('--set', 'namespace.create=true')).toEqual(manifests)
  })

  it('pleases helm lint', async () => {
    expect(await helm('lint', '--strict', chart)).toMatch(/0 chart\(s\) failed/)
  })

  it.each([
    ['colour=red', /colour/],
    ['replicas=many', /replicas/],
    ['logLevel=loud', /logLevel/],
    ['dataPlane.parameters.cpu=lots', /cpu/],
    ['ports.control=70000', /control/],
  ])('refuses %s', async (value, complaint) => {
    await expect(rendered('--set', value)).rejects.toThrow(complaint)
  })

  it('says nothing twice where everything is said', async () => {
    const values = [
      'image.repository=registry.example/gantry',
      'image.tag=1.2',
      'image.pullPolicy=Always',
      'imagePullSecrets[0].name=registry',
      'replicas=2',
      'logLevel=debug',
      'dataPlane.parameters.replicas=3',
      'dataPlane.parameters.memoryLimit=1Gi',
      'ports.control=19100',
      'ports.health=19102',
      'env[0].name=NODE_OPTIONS',
      'env[0].value=--max-old-space-size=400',
      'podDisruptionBudget.create=true',
      'serviceAccount.annotations.team=edge',
    ]
    const objects = await rendered('--set', values.join(','))
    expect(objects.get('Deployment/gantry-controller')).toMatchObject({
      spec: {
        replicas: 2,
        template: {
          spec: {
            imagePullSecrets: [{ name: 'registry' }],
            containers: [
              {
                image: 'registry.example/gantry:1.2',
                imagePullPolicy: 'Always',
                env: expect.arrayContaining([
                  { name: 'GANTRY_IMAGE', value: 'registry.example/gantry:1.2' },
                  { name: 'GANTRY_PORT', value: '19100' },
                  { name: 'GANTRY_HEALTH_PORT', value: '19102' },
                  { name: 'GANTRY_LOG_LEVEL', value: 'debug' },
                  { name: 'NODE_OPTIONS', value: '--max-old-space-size=400' },
                ]),
                readinessProbe: { httpGet: { port: 19102, path: '/readyz' } },
                livenessProbe: { httpGet: { port: 19102, path: '/healthz' } },
              },
            ],
          },
        },
      },
    })
    expect(objects.get('ConfigMap/gantry-data-planes')).toMatchObject({ data: { replicas: '3', memoryLimit: '1Gi' } })
    expect(objects.get('GatewayClass/gantry')).toMatchObject({
      spec: { parametersRef: { kind: 'ConfigMap', name: 'gantry-data-planes', namespace: 'gantry-system' } },
    })
    expect(objects.has('PodDisruptionBudget/gantry-controller')).toBe(true)
  })

  it('tells the controller its Service where the release is called otherwise', async () => {
    const objects = objectsIn(await helm('template', 'edge', chart, '--namespace', 'other'))
    expect(objects.has('Service/edge-controller')).toBe(true)
    expect(objects.has('ClusterRole/edge-controller-other')).toBe(true)
    expect(JSON.stringify(objects.get('Deployment/edge-controller'))).toContain(
      '{"name":"GANTRY_SERVICE","value":"edge-controller"}',
    )
  })
})

describe.runIf(runsFor('the Helm chart in a cluster', whyNoHelm() ?? whyNoApiServer({ crds: 'standard' })))(
  'the chart, installed',
  { timeout: 90_000 },
  () => {
    let server: ApiServer
    beforeAll(async () => {
      server = await startApiServer({ crds: 'standard' })
    }, 90_000)
    afterAll(() => server.stop())
    const there = (...what: readonly string[]) => server.kubectl(['-n', 'gantry-system', 'get', ...what])
    const installed = (verb: string, ...more: readonly string[]) =>
      helm(verb, ...release, '--kubeconfig', server.kubeconfig, ...more)

    it('is taken as it is by the API server, and its notes name the class', async () => {
      expect(await installed('install', '--create-namespace')).toContain('kubectl get gatewayclass gantry')
      expect(await there('deployment/gantry-controller', '-o', 'jsonpath={.spec.replicas}')).toBe('1')
      expect(await there('gatewayclass/gantry', '-o', 'jsonpath={.spec.controllerName}')).toBe(
        'gantry.dev/gateway-controller',
      )
    })

    it('gives the controller the rights that it needs and none to read what is not its business', async () => {
      const kubeconfig = await server.kubeconfigOf('gantry-system', 'gantry-controller')
      const may = (...what: readonly string[]) =>
        server.kubectl(['auth', 'can-i', ...what, '--kubeconfig', kubeconfig]).then(
          (answer) => answer.trim(),
          () => 'no',
        )
      expect(await may('patch', 'gateways.gateway.networking.k8s.io', '--subresource=status', '-A')).toBe('yes')
      expect(await may('update', 'gateways.gateway.networking.k8s.io', '--subresource=status', '-A')).toBe('no')
      expect(await may('list', 'customresourcedefinitions')).toBe('no')
      expect(await may('list', 'customresourcedefinitions/gateways.gateway.networking.k8s.io')).toBe('yes')
      expect(await may('get', 'secrets', '-n', 'shop')).toBe('no')
      expect(await may('get', 'secrets/gantry-control', '-n', 'gantry-system')).toBe('yes')
      expect(await may('create', 'deployments.apps', '-n', 'shop')).toBe('yes')
      expect(await may('update', 'leases.coordination.k8s.io/gantry-controller', '-n', 'gantry-system')).toBe('yes')
      expect(await may('update', 'leases.coordination.k8s.io/other', '-n', 'gantry-system')).toBe('no')
      expect(await may('update', 'leases.coordination.k8s.io', '-n', 'kube-system')).toBe('no')
      expect(await may('update', 'gateways.gateway.networking.k8s.io', '-A')).toBe('no')
      expect(await may('list', 'pods', '-A')).toBe('no')
    })

    it('is changed in place', async () => {
      await installed('upgrade', '--set', 'replicas=2,dataPlane.parameters.replicas=2')
      expect(await there('deployment/gantry-controller', '-o', 'jsonpath={.spec.replicas}')).toBe('2')
      expect(await there('configmap/gantry-data-planes', '-o', 'jsonpath={.data.replicas}')).toBe('2')
    })

    it('leaves nothing behind', async () => {
      await helm('uninstall', 'gantry', '--namespace', 'gantry-system', '--kubeconfig', server.kubeconfig, '--wait')
      const kinds =
        'deployments,services,serviceaccounts,roles,rolebindings,configmaps,clusterroles,clusterrolebindings'
      const left = await there(`${kinds},gatewayclasses`, '-o', 'name')
      expect(left.split('\n').filter((name) => name.includes('gantry'))).toEqual([])
    })
  },
)
