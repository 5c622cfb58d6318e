/** The controller and its data planes beside a real API server that fails, forgets, refuses and dies; and when they die themselves. */
import { setTimeout as sleep } from 'node:timers/promises'
import { afterAll, afterEach, beforeAll, describe, expect, it, vi } from 'vitest'
import type { Fault } from './faults.ts'
import {
  api,
  type Controller,
  type DataPlane,
  gatewayPath,
  mountSecret,
  redirect,
  type Route,
  routesPath,
  sayReady,
  type Stage,
  startStage,
} from './faults-stage.ts'
import type { Resource } from './kubelet/objects.ts'
import { whyNoApiServer } from './lab.ts'
import { runsFor } from './loud.ts'

/** How long a fault lasts, and how long nothing may be written: a minute where somebody has the time (GANTRY_FAULT_SECONDS=60). */
const lasting = Number(process.env['GANTRY_FAULT_SECONDS'] ?? 4) * 1000
interface GatewayStatus extends Resource {
  readonly status: {
    readonly conditions: readonly object[]
    readonly listeners: readonly { readonly conditions: readonly object[] }[]
  }
}

const soon = { timeout: 60_000, interval: 50 }

describe.runIf(runsFor('faults around the controller', whyNoApiServer({ crds: 'standard' })))(
  'the controller',
  { timeout: 180_000 + 4 * lasting },
  () => {
    let stage: Stage
    let controller: Controller
    let dataPlane: DataPlane
    let version = 0

    /** The answer of /steady, and the status of its route, are right; what was asked for now comes true soon. */
    const follows = async (): Promise<void> => {
      version += 1
      const name = `v${version}`
      await vi.waitFor(() => stage.putRoute('moving', name), soon)
      await vi.waitFor(async () => expect(await stage.ask('/moving')).toBe(`${name}.example`), soon)
      await vi.waitFor(async () => expect(await judged('moving')).toBe(true), soon)
    }
    /** Was the latest generation accepted? */
    const judged = async (name: string): Promise<boolean> => {
      const { metadata, status } = await stage.route(name)
      const generation = metadata.generation
      return (
        status?.parents?.length === 1 &&
        status.parents[0]!.conditions.every((each) => each.status === 'True' && each.observedGeneration === generation)
      )
    }
    /** While it goes on, /steady answers and neither its status nor the Gateway's changes. */
    const undisturbed = async (work: () => Promise<void>): Promise<void> => {
      const look = async (): Promise<readonly unknown[]> => {
        const { status } = await stage.server.kube.get<GatewayStatus>(gatewayPath)
        // how many routes there are may change, and when a condition last did may not
        return [
          (await stage.route('steady')).metadata.resourceVersion,
          status.conditions,
          status.listeners.map((each) => each.conditions),
        ]
      }
      const before = await look()
      const steady = stage.watch('/steady', 'steady.example')
      await work()
      await sleep(500)
      expect(await steady.stop()).toEqual([])
      expect(await look()).toEqual(before)
    }
    const every = (fault: Fault): void => stage.obey(() => fault)

    beforeAll(async () => {
      stage = await startStage()
      controller = await stage.startController('one')
      await vi.waitFor(() => mountSecret(stage), { timeout: 60_000, interval: 100 })
      dataPlane = await stage.startDataPlane('first')
      await stage.putRoute('steady')
      await vi.waitFor(async () => expect(await stage.ask('/steady')).toBe('steady.example'), {
        timeout: 60_000,
        interval: 100,
      })
      await sayReady(stage, 1)
      await follows()
      await vi.waitFor(async () => {
        const { status } = await stage.server.kube.get<GatewayStatus>(gatewayPath)
        expect(status.conditions).toContainEqual(expect.objectContaining({ type: 'Programmed', status: 'True' }))
      }, soon)
    }, 180_000)
    afterEach(() => stage.obey(() => undefined))
    afterAll(() => stage?.stop())

    it('writes nothing while nothing changes', async () => {
      await sleep(1000)
      stage.forget()
      await sleep(lasting)
      expect(stage.writes).toEqual([])
    })

    it.each([
      'apis/apps/v1/namespaces/default/deployments/gantry-web',
      'api/v1/namespaces/default/services/gantry-web',
      'api/v1/namespaces/default/secrets/gantry-web',
      'api/v1/namespaces/default/serviceaccounts/gantry-web',
    ])('makes /%s again that somebody has deleted, once', async (path) => {
      const { uid } = (await stage.server.kube.get(`/${path}`)).metadata
      stage.forget()
      await stage.server.kube.delete(`/${path}`)
      await vi.waitFor(async () => expect((await stage.server.kube.get(`/${path}`)).metadata.uid).not.toBe(uid), soon)
      await follows()
      const writes = stage.writes.filter(
        (each) => !each.path.includes('/httproutes/') && !each.path.includes('/gateways/'),
      )
      expect(writes).toEqual([{ method: 'PATCH', path: expect.stringContaining(path) as string }])
      await sayReady(stage, 1)
    })

    it.each(['kept', 'lost'] as const)(
      'serves on without an API server, and follows it when it is back, history %s',
      async (history) => {
        await undisturbed(async () => {
          await stage.server.kill()
          await sleep(lasting)
          await stage.server.restart({ history })
          await follows()
        })
      },
    )

    it('serves on while the API server is silent', async () => {
      await undisturbed(async () => {
        stage.server.freeze()
        await sleep(lasting)
        stage.server.thaw()
        await follows()
      })
    })

    // 403 and 404 are what a server says that has not read its rights and kinds yet
    it.each([429, 500, 503, 403, 404, 410])('serves on while everything is answered %d', async (status) => {
      await undisturbed(async () => {
        every({ status, ...(status === 429 ? { retryAfter: 1 } : {}) })
        stage.front.cut()
        await sleep(lasting / 2)
        stage.obey(() => undefined)
        await follows()
      })
    })

    it('writes a status again that met a conflict', async () => {
      let left = 5
      stage.obey(({ method, path }) =>
        method === 'PATCH' && path.endsWith('/status') && left-- > 0 ? { status: 409 } : undefined,
      )
      await follows()
      expect(left).toBeLessThanOrEqual(0)
    })

    it('is alive while it waits for an API server, and ready once data planes may come', async () => {
      const asked = async (path: string): Promise<number> => (await fetch(`${controller.health}${path}`)).status
      expect([await asked('/healthz'), await asked('/readyz'), await asked('/gantry/plan')]).toEqual([200, 200, 404])
      await controller.program.stop(0)
      every('break')
      controller = await stage.startController('one')
      await vi.waitFor(async () => expect(await asked('/healthz')).toBe(200), soon)
      expect(await asked('/readyz')).toBe(503)
      stage.obey(() => undefined)
      await vi.waitFor(async () => expect(await asked('/readyz')).toBe(200), soon)
      await follows()
    })

    it('may be away: a data plane without it is alive and ready', async () => {
      const asked = async (path: string): Promise<number> => (await fetch(`${dataPlane.health}${path}`)).status
      await undisturbed(async () => {
        await controller.program.stop(0)
        await sleep(1000)
        expect([await asked('/healthz'), await asked('/readyz')]).toEqual([200, 200])
        controller = await stage.startController('one')
        await follows()
      })
      const lonely = await stage.startDataPlane('lonely')
      await vi.waitFor(async () => expect((await fetch(`${lonely.health}/healthz`)).status).toBe(200), soon)
      await lonely.program.stop(0)
    })

    it('killed while it writes statuses, begins again where it was', async () => {
      let seen = 0
      let killed: Promise<void> | undefined
      const names = Array.from({ length: 60 }, (_, index) => `many-${index}`)
      stage.forget()
      stage.obey(({ method, path }) => {
        if (method === 'PATCH' && path.includes('/httproutes/many-') && ++seen === 20)
          killed = controller.program.stop(0)
        return undefined
      })
      await undisturbed(async () => {
        await Promise.all(names.map((name) => stage.server.kube.post(routesPath, redirect(name, name))))
        await vi.waitFor(() => expect(killed).toBeDefined(), soon)
        await killed
        stage.obey(() => undefined)
        controller = await stage.startController('one')
        await vi.waitFor(async () => expect((await Promise.all(names.map(judged))).every(Boolean)).toBe(true), {
          timeout: 60_000,
          interval: 200,
        })
        for (const name of names) expect(await stage.ask(`/${name}`)).toBe(`${name}.example`)
        await follows()
      })
      for (const name of names) {
        const told = stage.writes.filter(({ path }) => path.includes(`/${name}/`))
        // one more where it was killed between the write and its answer
        expect(told.length, name).toBeLessThanOrEqual(2)
      }
      await stage.server.kubectl(['delete', 'httproutes', ...names, '--wait=false'])
    })

    it.each([403, 404])('takes nothing away where it starts beside a server that answers %d', async (status) => {
      const deployed = async (): Promise<unknown> =>
        (await stage.server.kube.get('/apis/apps/v1/namespaces/default/deployments/gantry-web')).metadata.uid
      const before = await deployed()
      await undisturbed(async () => {
        await controller.program.stop(0)
        stage.obey(({ path }) =>
          path.startsWith(`${api}/gateways`) || path.startsWith(`${api}/httproutes`)
            ? { status, reason: `${status}` }
            : undefined,
        )
        controller = await stage.startController('one')
        await vi.waitFor(() => expect(controller.program.tail(1000)).toContain(`${status}`), soon)
        await sleep(2000)
        stage.obey(() => undefined)
        await follows()
      })
      expect(await deployed()).toBe(before)
    })

    it('says nothing after a restart that its data planes do not serve yet', async () => {
      await controller.program.stop(0)
      dataPlane.program.signal('SIGSTOP')
      await stage.putRoute('held')
      controller = await stage.startController('one')
      await vi.waitFor(() => expect(controller.program.tail(1000)).toContain('this controller leads'), soon)
      // shorter than it waits for a data plane that is ready
      await sleep(2000)
      expect((await stage.route('held')).status?.parents ?? []).toEqual([])
      dataPlane.program.signal('SIGCONT')
      await vi.waitFor(async () => expect(await stage.ask('/held')).toBe('held.example'), soon)
      await vi.waitFor(async () => expect(await judged('held')).toBe(true), soon)
    })

    it('hands over to another one, which sees the data planes', async () => {
      const other = await stage.startController('two')
      await vi.waitFor(() => expect(other.program.tail(1000)).toContain('another controller leads'), soon)
      await undisturbed(async () => {
        // killed: its lease has to end by itself
        await controller.program.stop(0)
        await stage.putRoute('after-kill')
        await vi.waitFor(async () => expect(await stage.ask('/after-kill')).toBe('after-kill.example'), {
          timeout: 40_000,
          interval: 100,
        })
        await vi.waitFor(async () => expect(await judged('after-kill')).toBe(true), soon)
      })
      controller = await stage.startController('one')
      await vi.waitFor(() => expect(controller.program.tail(1000)).toContain('another controller leads'), soon)
      await undisturbed(async () => {
        // told to stop: it gives the lease back
        await other.program.stop(10_000)
        await follows()
      })
    })

    it('loses to what no rule foresees nothing but its own route', async () => {
      const crd = '/apis/apiextensions.k8s.io/v1/customresourcedefinitions'
      type Definition = Resource & { spec: { versions: readonly { schema: object }[] } }
      const kinds = ['httproutes', 'listenersets', 'gateways'].map((kind) => `${crd}/${kind}.gateway.networking.k8s.io`)
      const definitions = await Promise.all(kinds.map((path) => stage.server.kube.get<Definition>(path)))
      const open = { openAPIV3Schema: { type: 'object', 'x-kubernetes-preserve-unknown-fields': true } }
      for (const [index, { spec }] of definitions.entries())
        await stage.server.kube.patch(kinds[index]!, {
          spec: { versions: spec.versions.map((each) => ({ ...each, schema: open })) },
        })
      const object = (kind: string, name: string, spec: unknown): object => ({
        apiVersion: 'gateway.networking.k8s.io/v1',
        kind,
        metadata: { name, namespace: 'default' },
        spec,
      })
      const at = (plural: string): string => `${api}/namespaces/default/${plural}`
      const circle = (name: string, other: string): object =>
        object('ListenerSet', name, {
          parentRef: { group: 'gateway.networking.k8s.io', kind: 'ListenerSet', name: other },
          listeners: [{ name: 'a', port: 80, protocol: 'HTTP' }],
        })
      await undisturbed(async () => {
        // a definition that was opened is open a little later
        await vi.waitFor(
          () => stage.server.kube.post(routesPath, object('HTTPRoute', 'wrong-rules', { rules: 'all' })),
          soon,
        )
        await stage.server.kube.post(routesPath, object('HTTPRoute', 'wrong-parents', { parentRefs: 7, rules: [{}] }))
        await stage.server.kube.post(routesPath, object('HTTPRoute', 'wrong-spec', [1, 2]))
        await stage.server.kube.post(
          routesPath,
          object('HTTPRoute', 'wrong-match', {
            parentRefs: [{ name: 'web' }],
            rules: [{ matches: [{ path: { type: 'PathPrefix', value: { a: 1 } } }] }],
          }),
        )
        await vi.waitFor(
          () =>
            stage.server.kube.post(
              at('gateways'),
              object('Gateway', 'wrong', { gatewayClassName: 'gantry', listeners: { a: 1 } }),
            ),
          soon,
        )
        await vi.waitFor(() => stage.server.kube.post(at('listenersets'), circle('left', 'right')), soon)
        await stage.server.kube.post(at('listenersets'), circle('right', 'left'))
        await stage.server.kube.post('/api/v1/namespaces/default/secrets', {
          metadata: { name: 'no-certificate' },
          type: 'kubernetes.io/tls',
          data: {
            'tls.crt': Buffer.from('hello').toString('base64'),
            'tls.key': Buffer.from('hello').toString('base64'),
          },
        })
        await stage.server.kube.post(
          at('gateways'),
          object('Gateway', 'uncertain', {
            gatewayClassName: 'gantry',
            listeners: [
              { name: 'https', port: 443, protocol: 'HTTPS', tls: { certificateRefs: [{ name: 'no-certificate' }] } },
            ],
          }),
        )
        await vi.waitFor(async () => {
          const { status } = await stage.server.kube.get<
            Resource & { status?: { listeners?: readonly { conditions: readonly object[] }[] } }
          >(`${at('gateways')}/uncertain`)
          expect(status?.listeners?.[0]?.conditions).toContainEqual(
            expect.objectContaining({ type: 'ResolvedRefs', status: 'False', reason: 'InvalidCertificateRef' }),
          )
        }, soon)
        await follows()
      })
      const wrong = await stage.server.kube.get<{ items: readonly Route[] } & Resource>(routesPath)
      expect(wrong.items.filter(({ metadata }) => metadata.name.startsWith('wrong-'))).toHaveLength(4)
      expect(await stage.ask('/wrong')).toBe('404')
      expect(controller.program.isRunning() && dataPlane.program.isRunning()).toBe(true)
    })
  },
)
