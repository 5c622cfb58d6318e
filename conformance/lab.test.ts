/** The real API server: ready, restarted, killed, frozen, its history lost, rights as RBAC gives them, two side by side. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type ApiServer, startApiServer, whyNoApiServer } from './lab.ts'
import { connect } from './kubelet/kube.ts'
import type { Resource } from './kubelet/objects.ts'
import { runsFor } from './loud.ts'

describe.runIf(runsFor('the API server of the lab', whyNoApiServer({ crds: 'standard' })))(
  'startApiServer',
  { timeout: 90_000 },
  () => {
    let server: ApiServer
    const watching = new AbortController()
    beforeAll(async () => {
      server = await startApiServer({ crds: 'standard' })
    }, 90_000)
    afterAll(async () => {
      watching.abort()
      await server.stop()
      expect(existsSync(server.folder)).toBe(false)
    })

    it('serves the definitions of the channel asked for', async () => {
      const { metadata } = await server.kube.get(
        '/apis/apiextensions.k8s.io/v1/customresourcedefinitions/httproutes.gateway.networking.k8s.io',
      )
      expect(metadata.annotations).toMatchObject({
        'gateway.networking.k8s.io/channel': 'standard',
        'gateway.networking.k8s.io/bundle-version': 'v1.7.0',
      })
    })

    it('refuses what the schema refuses', async () => {
      const object = {
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind: 'GatewayClass',
        metadata: { name: 'x' },
        spec: { controllerName: 'no slash' },
      }
      await expect(server.kubectl(['apply', '-f', '-'], JSON.stringify(object))).rejects.toThrow(/controllerName/)
    })

    it('gives a service account the rights that it was given, and no more', async () => {
      await server.kubectl(['create', 'serviceaccount', 'reader'])
      await server.kubectl(['create', 'clusterrole', 'reader', '--verb=list', '--resource=services'])
      await server.kubectl([
        'create',
        'clusterrolebinding',
        'reader',
        '--clusterrole=reader',
        '--serviceaccount=default:reader',
      ])
      const kubeconfig = await server.kubeconfigOf('default', 'reader')
      await expect(server.kubectl(['get', 'services', '-A', '--kubeconfig', kubeconfig])).resolves.toContain(
        'kubernetes',
      )
      await expect(server.kubectl(['get', 'secrets', '-A', '--kubeconfig', kubeconfig])).rejects.toThrow(/forbidden/)
    })

    it('keeps objects and kubeconfig over a kill and a restart, and a watch finds what it missed', async () => {
      const seen = new Map<string, string>()
      const observe = ({ metadata }: Resource, change: 'set' | 'gone') => void seen.set(metadata.name, change)
      await server.kubectl(['create', 'configmap', 'before'])
      await server.kubectl(['create', 'configmap', 'doomed'])
      await server.kube.watch('/api/v1/namespaces/default/configmaps', observe, watching.signal)
      await server.kill()
      await expect(server.kubectl(['get', 'configmaps'])).rejects.toThrow(/refused/)
      await server.restart({ history: 'lost' })
      await server.kubectl(['create', 'configmap', 'after'])
      await server.kubectl(['delete', 'configmap', 'doomed'])
      await vi.waitFor(
        () => expect(Object.fromEntries(seen)).toMatchObject({ before: 'set', after: 'set', doomed: 'gone' }),
        10_000,
      )
    })

    it('answers 410 to a watch from before a restart that lost history', async () => {
      const { metadata } = await server.kube.get('/api/v1/namespaces/default/configmaps')
      await server.restart({ history: 'lost' })
      const path = `/api/v1/namespaces/default/configmaps?watch=1&timeoutSeconds=1&resourceVersion=${metadata.resourceVersion}`
      const told = await server.kube
        .get<{ object?: { code?: number } }>(path)
        .catch((error: { status?: number }) => ({ object: { code: error.status } }))
      expect(told.object?.code).toBe(410)
    })

    it('goes silent when frozen', async () => {
      server.freeze()
      const kube = connect({ server: server.url, ca: server.ca, token: server.adminToken })
      const answer = kube.get('/api/v1/namespaces/default').then(() => 'answered')
      const silence = new Promise((resolve) => setTimeout(resolve, 500, 'silent'))
      expect(await Promise.race([answer, silence])).toBe('silent')
      server.thaw()
      expect(await answer).toBe('answered')
    })

    it('runs beside another, each with ports of its own', async () => {
      const other = await startApiServer({ rbac: false, controllers: false })
      expect(other.port).not.toBe(server.port)
      await other.kubectl(['create', 'configmap', 'elsewhere'])
      await expect(server.kubectl(['get', 'configmap', 'elsewhere'])).rejects.toThrow(/not found/)
      await other.stop()
    })
  },
)
