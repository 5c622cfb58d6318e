/** Steps and a backend → an engine that runs them, over real HTTP. For tests of the adapter. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'
import type { Policy, Reply, Step } from '../../policies/policy.ts'
import { serve as serveEngine } from '../../targets/engine/testing.ts'

/** What reached the backend. */
export interface Seen {
  readonly method: string
  readonly target: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: Buffer
}

export interface Served {
  readonly url: string
  readonly port: number
  readonly seen: Seen[]
  close(): Promise<void>
}

export type TestBackend = (seen: Seen) => Reply

export interface ServeOptions {
  readonly steps: () => readonly Step[]
  readonly backend?: TestBackend
  readonly annotations?: Readonly<Record<string, unknown>>
}

const echo: TestBackend = (seen) => ({
  kind: 'reply',
  status: 200,
  headers: [
    ['Content-Type', 'application/json'],
    ['X-Backend', 'yes'],
  ],
  body: JSON.stringify({ ...seen, body: seen.body.toString() }),
})

/** A second route answers `next route` where the first is left. */
export async function serve(options: ServeOptions): Promise<Served> {
  const seen: Seen[] = []
  const backend = createServer((req, res) => {
    const pieces: Buffer[] = []
    req.on('data', (piece: Buffer) => pieces.push(piece))
    req.on('end', () => {
      const what = {
        method: req.method ?? '',
        target: req.url ?? '',
        headers: req.headers as Record<string, string>,
        body: Buffer.concat(pieces),
      }
      seen.push(what)
      const answer = (options.backend ?? echo)(what)
      res.writeHead(answer.status, answer.reason, (answer.headers ?? []).flat())
      res.end(answer.body)
    })
  })
  await new Promise<void>((resolve) => backend.listen(0, '127.0.0.1', resolve))
  const { port } = backend.address() as AddressInfo
  const origin = { source: 'test' }
  const steps = options.steps()
  const step: Policy<{ at: number }> = {
    name: 'step',
    summary: 'a step of a test',
    config: z.object({ at: z.number() }),
    engine: ({ at }) => steps[at] as Step,
    nginx: () => ({}),
  }
  const path = { kind: 'prefix', value: '/' } as const
  const engine = await serveEngine(
    {
      routes: [
        {
          id: 'test/route',
          listeners: [],
          match: { path },
          policies: steps.map((_, at) => ({ policy: 'step', config: { at }, origin })),
          action: { kind: 'forward', forward: { backends: [{ target: { kind: 'backend', id: 'test/backend' } }] } },
          annotations: options.annotations ?? { apiEndpoint: { apiEndpointName: 'test', scopes: [] } },
          origin,
        },
        {
          id: 'test/next',
          listeners: [],
          match: { path },
          policies: [],
          action: { kind: 'reply', status: 404, body: 'next route' },
          origin,
        },
      ],
      backends: [{ id: 'test/backend', protocol: 'http1', origin }],
      endpoints: [{ backend: 'test/backend', addresses: [{ host: '127.0.0.1', port }] }],
    },
    { policies: [step] },
  )
  return {
    url: engine.url,
    port: engine.port,
    seen,
    close: async () => {
      await engine.stop()
      backend.closeAllConnections()
      await new Promise((resolve) => backend.close(resolve))
    },
  }
}
