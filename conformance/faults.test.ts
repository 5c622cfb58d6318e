/** A front with faults before a real API server. */
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { type Front, startFront } from './faults.ts'
import { connect, type Kube } from './kubelet/kube.ts'
import { type ApiServer, startApiServer, whyNoApiServer } from './lab.ts'
import { runsFor } from './loud.ts'

describe.runIf(runsFor('faults of the API server', whyNoApiServer()))('startFront', { timeout: 60_000 }, () => {
  let server: ApiServer
  let front: Front
  let kube: Kube
  const watching = new AbortController()
  const maps = '/api/v1/namespaces/default/configmaps'
  const map = (name: string) => ({ apiVersion: 'v1', kind: 'ConfigMap', metadata: { name } })
  beforeAll(async () => {
    server = await startApiServer({ controllers: false })
    front = await startFront(server)
    kube = connect({ server: front.url, ca: server.ca, token: server.adminToken })
  }, 60_000)
  afterAll(async () => {
    watching.abort()
    await front.stop()
    await server.stop()
  })

  it('hands on what no rule names, and serves kubectl', async () => {
    await kube.post(maps, map('a'))
    expect(await server.kubectl(['get', 'configmaps', '-o', 'name', '--kubeconfig', front.kubeconfig])).toContain(
      'configmap/a',
    )
    await kube.delete(`${maps}/a`)
    await expect(kube.get(`${maps}/a`)).rejects.toMatchObject({ status: 404 })
  })

  it.each([429, 500, 409])('answers %d where a rule says so, and nowhere else', async (status) => {
    front.obey(({ method }) => (method === 'POST' ? { status } : undefined))
    await expect(kube.post(maps, map('b'))).rejects.toMatchObject({ status })
    await expect(kube.get(maps)).resolves.toBeDefined()
    front.obey(() => undefined)
  })

  it('breaks connections', async () => {
    front.obey(() => 'break')
    await expect(kube.get(maps)).rejects.toThrow(/hang up|ECONNRESET/)
    front.obey(() => undefined)
  })

  it('lets a watch outlive a cut', async () => {
    const seen: string[] = []
    await kube.watch(maps, ({ metadata }) => void seen.push(metadata.name), watching.signal)
    front.cut()
    await server.kube.post(maps, map('after-cut'))
    await vi.waitFor(() => expect(seen).toContain('after-cut'), 10_000)
  })
})
