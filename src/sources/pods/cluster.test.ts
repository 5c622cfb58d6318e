/** A real Kubernetes API → worlds: lists, changes, Secrets of routed namespaces only, problems told to objects. */
import { expect, test } from 'vitest'
import { startApiServer, whyNoApiServer } from '../../../conformance/lab.ts'
import { runsFor } from '../../../conformance/loud.ts'
import { createPods } from './source.ts'
import type { World } from './world.ts'

const labels = { 'github.com/30x.dispatcher.routable': 'true' }

test.runIf(runsFor('the source pods with an API server', whyNoApiServer({})))(
  'follows a cluster',
  { timeout: 120_000 },
  async () => {
    const server = await startApiServer({ controllers: false })
    const abort = new AbortController()
    try {
      const apply = (objects: readonly object[]): Promise<string> =>
        server.kubectl(['apply', '-f', '-'], objects.map((one) => JSON.stringify(one)).join('\n---\n'))
      const secret = (namespace: string): object => ({
        apiVersion: 'v1',
        kind: 'Secret',
        metadata: { namespace, name: 'routing' },
        stringData: { 'api-key': 'x' },
      })
      await apply([
        {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: {
            name: 'shop',
            labels,
            annotations: { 'github.com/30x.dispatcher.hosts': '{"shop.test":{},"bad_host":{}}' },
          },
        },
        { apiVersion: 'v1', kind: 'Namespace', metadata: { name: 'elsewhere' } },
        secret('shop'),
        secret('elsewhere'),
      ])
      const source = createPods()
      const worlds = source
        .read({ kind: 'cluster', kubeconfig: server.kubeconfig, environment: {} }, abort.signal)
        [Symbol.asyncIterator]()
      const until = async (holds: (world: World) => boolean): Promise<World> => {
        for (;;) {
          const { value, done } = await worlds.next()
          if (done === true) throw new Error('it ended')
          if (holds(value)) return value
        }
      }
      const first = await until(({ secrets }) => secrets.length > 0)
      expect(first.namespaces.map(({ name }) => name)).toEqual(['shop'])
      expect(first.secrets.map(({ namespace }) => namespace)).toEqual(['shop'])

      const translation = source.translate(first)
      expect(translation.statuses).toMatchObject([
        { kind: 'Namespace', name: 'shop', problems: [{ code: 'pods/host-name' }] },
      ])
      await source.report?.(translation.statuses, abort.signal)
      const told = await until(({ namespaces }) => namespaces[0]?.told !== undefined)
      expect(told.namespaces[0]?.told).toContain('bad_host')
      expect(await server.kubectl(['get', 'events', '-o', 'jsonpath={.items[*].reason}'])).toContain('HostName')

      // while the server is away what it said stands, and when it is back changes are seen
      await server.kill()
      const away = await until(({ diagnostics }) => diagnostics.length > 0)
      expect(away.namespaces).toHaveLength(1)
      expect(away.diagnostics[0]?.code).toBe('pods/api-away')
      await server.restart()
      await server.kubectl(['delete', 'secret', '-n', 'shop', 'routing'])
      await until(({ secrets, diagnostics }) => secrets.length === 0 && diagnostics.length === 0)
    } finally {
      abort.abort()
      await server.stop()
    }
  },
)
