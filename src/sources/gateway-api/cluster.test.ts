/** The whole way with a real API server: read, translate, write statuses; faults; leadership. */
import { afterAll, beforeAll, describe, expect, test, vi } from 'vitest'
import { startFront } from '../../../conformance/faults.ts'
import type { Front } from '../../../conformance/faults.ts'
import { startApiServer, whyNoApiServer } from '../../../conformance/lab.ts'
import type { ApiServer } from '../../../conformance/lab.ts'
import { runsFor } from '../../../conformance/loud.ts'
import { connectKubernetes } from '../../lib/kubernetes/client.ts'
import type { KubernetesClient } from '../../lib/kubernetes/client.ts'
import { elect } from './lease.ts'
import { createClusterReader } from './read-cluster.ts'
import { controllerName } from './read-files.ts'
import { createStatusWriter } from './report.ts'
import type { StatusWriter } from './report.ts'
import type { World } from './resources.ts'
import { createTranslator } from './translate.ts'
import type { GatewayApiTranslation } from './translate.ts'

const base = `
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {name: gantry}
spec: {controllerName: ${controllerName}}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: web, namespace: default}
spec: {gatewayClassName: gantry, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Service
metadata: {name: v1, namespace: default}
spec: {ports: [{port: 8080}]}
---
apiVersion: discovery.k8s.io/v1
kind: EndpointSlice
addressType: IPv4
metadata: {name: v1-a, namespace: default, labels: {kubernetes.io/service-name: v1}}
ports: [{port: 3000}]
endpoints: [{addresses: [10.0.0.1]}]
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: shop, namespace: default}
spec: {parentRefs: [{name: web}, {name: absent}], rules: [{backendRefs: [{name: v1, port: 8080}]}]}
`

interface Running {
  readonly worlds: readonly World[]
  readonly last: () => GatewayApiTranslation | undefined
  readonly writer: StatusWriter
  readonly troubles: readonly string[]
  stop(): Promise<void>
}

/** The loop of the runtime, as short as it can be. */
async function run(kubeconfig: string): Promise<Running> {
  const client = await connectKubernetes(kubeconfig)
  const abort = new AbortController()
  const troubles: string[] = []
  const trouble = (message: string): void => void troubles.push(message)
  const reader = createClusterReader({ client, controllerName, trouble })
  const writer = createStatusWriter({ client, reader, controllerName, leads: () => true, trouble })
  const translate = createTranslator()
  const worlds: World[] = []
  let last: GatewayApiTranslation | undefined
  const following = (async () => {
    for await (const world of reader.worlds(abort.signal)) {
      worlds.push(world)
      last = translate(world)
      writer.want(last.statuses)
    }
  })()
  return {
    worlds,
    last: () => last,
    writer,
    troubles,
    async stop() {
      abort.abort()
      await following
      await writer.close()
      client.close()
    },
  }
}

describe.runIf(runsFor('the Gateway API source in a cluster', whyNoApiServer({ crds: 'standard' })))(
  'in a cluster',
  { timeout: 90_000 },
  () => {
    let server: ApiServer
    let front: Front
    let client: KubernetesClient
    let running: Running
    const routes = '/apis/gateway.networking.k8s.io/v1/namespaces/default/httproutes'
    const gateway = '/apis/gateway.networking.k8s.io/v1/namespaces/default/gateways/web'
    const statusOf = async (path: string): Promise<Record<string, never>> =>
      ((await client.ask({ path })).body as { status: Record<string, never> }).status
    const patch = async (path: string, body: unknown): Promise<void> => {
      const { status } = await client.ask({ method: 'PATCH', path, body, contentType: 'application/merge-patch+json' })
      expect(status).toBe(200)
    }
    const eventually = <Value>(look: () => Promise<Value> | Value): Promise<Value> =>
      vi.waitFor(look, { timeout: 20_000, interval: 50 })

    beforeAll(async () => {
      server = await startApiServer({ crds: 'standard', controllers: false })
      front = await startFront(server)
      client = await connectKubernetes(server.kubeconfig)
      await server.kubectl(['apply', '-f', '-'], base)
      running = await run(front.kubeconfig)
    }, 90_000)
    afterAll(async () => {
      await running?.stop()
      client?.close()
      await front?.stop()
      await server?.stop()
    })

    test('statuses come true, with one write for the route', async () => {
      await eventually(async () => {
        expect(await statusOf(`${routes}/shop`)).toMatchObject({
          parents: [
            {
              controllerName,
              parentRef: { name: 'web', namespace: 'default' },
              conditions: [
                { type: 'Accepted', status: 'True' },
                { type: 'ResolvedRefs', status: 'True' },
              ],
            },
          ],
        })
        expect(await statusOf(gateway)).toMatchObject({ listeners: [{ name: 'http', attachedRoutes: 1 }] })
        expect(await statusOf('/apis/gateway.networking.k8s.io/v1/gatewayclasses/gantry')).toMatchObject({
          conditions: [{ type: 'Accepted', status: 'True' }, {}],
        })
      })
      await running.writer.idle()
      // class, Gateway, route; a second write of one of them may follow the order in which the kinds were listed
      expect(running.writer.writes).toBeLessThanOrEqual(4)
      expect(running.last()?.model.endpoints[0]?.addresses).toEqual([{ host: '10.0.0.1', port: 3000 }])
    })

    test('nothing is written while nothing changes, and our own writes are no change', async () => {
      await running.writer.idle()
      const { writes } = running.writer
      const worlds = running.worlds.length
      await new Promise((done) => setTimeout(done, 3_000))
      expect(running.writer.writes).toBe(writes)
      expect(running.worlds.length).toBe(worlds)
    })

    test('entries and conditions of others stay equal in every field', async () => {
      const time = '2020-01-01T00:00:00Z'
      const theirs = {
        controllerName: 'example.org/other',
        parentRef: { name: 'absent' },
        conditions: [{ type: 'Accepted', status: 'True', reason: 'Other', message: 'x', lastTransitionTime: time }],
      }
      const condition = {
        type: 'Foreign',
        status: 'True',
        reason: 'Other',
        message: 'x',
        lastTransitionTime: time,
        observedGeneration: 1,
      }
      const current = (await statusOf(`${routes}/shop`)) as unknown as { parents: object[] }
      await patch(`${routes}/shop/status`, { status: { parents: [theirs, ...current.parents] } })
      const state = (await statusOf(gateway)) as unknown as {
        conditions: object[]
        listeners: { conditions: object[] }[]
      }
      await patch(`${gateway}/status`, {
        status: {
          conditions: [condition, ...state.conditions],
          listeners: state.listeners.map((each) => ({ ...each, conditions: [...each.conditions, condition] })),
        },
      })
      await patch(`${routes}/shop`, { spec: { hostnames: ['shop.example.com'] } })
      await patch(gateway, {
        spec: { listeners: [{ name: 'http', port: 80, protocol: 'HTTP', hostname: '*.example.com' }] },
      })
      await eventually(async () => {
        const route = (await statusOf(`${routes}/shop`)) as unknown as {
          parents: { conditions: { observedGeneration: number }[] }[]
        }
        expect(route.parents[1]?.conditions[0]?.observedGeneration).toBe(2)
        expect(route.parents[0]).toMatchObject(theirs)
        const now = (await statusOf(gateway)) as unknown as {
          conditions: { type: string; observedGeneration: number }[]
          listeners: { conditions: object[] }[]
        }
        expect(now.conditions.find((each) => each.type === 'Accepted')?.observedGeneration).toBe(2)
        expect(now.conditions).toContainEqual(condition)
        expect(now.listeners[0]?.conditions).toContainEqual(condition)
      })
    })

    test.each([409, 429, 500])('a status update answered %d is tried again until it stands', async (status) => {
      let left = 3
      front.obey(({ method, path }) =>
        method === 'PATCH' && path.includes('/httproutes/') && left-- > 0 ? { status } : undefined,
      )
      await patch(`${routes}/shop`, { spec: { hostnames: [`h${status}.example.com`] } })
      const { generation } = (
        (await client.ask({ path: `${routes}/shop` })).body as { metadata: { generation: number } }
      ).metadata
      await eventually(async () => {
        const route = (await statusOf(`${routes}/shop`)) as unknown as {
          parents: { controllerName: string; conditions: { observedGeneration: number }[] }[]
        }
        expect(
          route.parents.find((each) => each.controllerName === controllerName)?.conditions[0]?.observedGeneration,
        ).toBe(generation)
      })
      front.obey(() => undefined)
    })

    test('an API server that went and forgot its history is read again; what served stays', async () => {
      const before = running.last()!
      await server.kill()
      await new Promise((done) => setTimeout(done, 1_000))
      expect(running.last()).toBe(before)
      await server.restart({ history: 'lost' })
      const spec = { parentRefs: [{ name: 'web' }], rules: [{ backendRefs: [{ name: 'absent', port: 80 }] }] }
      await eventually(async () => {
        const { status } = await client.ask({
          method: 'POST',
          path: routes,
          body: { apiVersion: 'gateway.networking.k8s.io/v1', kind: 'HTTPRoute', metadata: { name: 'late' }, spec },
        })
        expect([201, 409]).toContain(status)
      })
      await eventually(async () => {
        expect(await statusOf(`${routes}/late`)).toMatchObject({
          parents: [{ conditions: [{ status: 'True' }, { status: 'False', reason: 'BackendNotFound' }] }],
        })
        expect(await statusOf(gateway)).toMatchObject({ listeners: [{ attachedRoutes: 2 }] })
      })
      expect(running.worlds.every((world) => world.objects.Gateway.length === 1)).toBe(true)
    })

    test('a parent that is taken away takes our entry with it', async () => {
      await patch(`${routes}/late`, { spec: { parentRefs: [] } })
      await eventually(async () => {
        expect((await statusOf(`${routes}/late`)) as unknown).toMatchObject({ parents: [] })
      })
    })

    test('one of two leads; when it goes, the other does', async () => {
      const options = {
        client,
        namespace: 'default',
        name: 'test',
        duration: 3_000,
        beat: 300,
        trouble: () => undefined,
      }
      const one = elect({ ...options, identity: 'one' })
      await eventually(() => expect(one.leads()).toBe(true))
      const two = elect({ ...options, identity: 'two' })
      await new Promise((done) => setTimeout(done, 1_000))
      expect([one.leads(), two.leads()]).toEqual([true, false])
      await one.close()
      await eventually(() => expect(two.leads()).toBe(true))
      await two.close()
    })
  },
)
