/** Every example is read, translated and – where a certificate need not be made first – answers through the engine. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { readdirSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterEach, describe, expect, test } from 'vitest'
import { prepare } from '../../src/pipeline/run.ts'
import { compileCondition } from '../../src/policies/conditions.ts'
import { policies } from '../../src/policies/list.ts'
import { createGatewayApi } from '../../src/sources/gateway-api/source.ts'
import type { GatewayApiTranslation } from '../../src/sources/gateway-api/translate.ts'
import type { Engine } from '../../src/targets/engine/engine.ts'
import { createEngine } from '../../src/targets/engine/engine.ts'
import { createTestServices } from '../../src/targets/engine/testing.ts'

const here = import.meta.dirname
const folders = readdirSync(here).filter((each) => statSync(join(here, each)).isDirectory())
const source = createGatewayApi({ trouble: (message) => expect.fail(message) })
const closing: (() => Promise<unknown>)[] = []

afterEach(async () => {
  for (const close of closing.splice(0)) await close()
})

async function translate(folder: string): Promise<GatewayApiTranslation> {
  const abort = new AbortController()
  const place = { kind: 'folder', path: join(here, folder), environment: {} } as const
  for await (const world of source.read(place, abort.signal)) {
    abort.abort()
    return source.translate(world) as GatewayApiTranslation
  }
  throw new Error('no world')
}

describe('examples', () => {
  test.each(folders)('%s says what it means', async (folder) => {
    expect(await source.recognise(join(here, folder))).toBe(true)
    const { model, diagnostics, statuses } = await translate(folder)
    // the certificate of the HTTPS example is made by its reader
    expect(diagnostics.filter((each) => folder !== 'https' || !/shop/.test(each.message))).toEqual([])
    expect(model.routes.length).toBeGreaterThan(0)
    expect(source.renderStatuses(statuses)).toContain('Accepted=True')
  })
})

/** The model with its listeners on free ports of loopback, and every endpoint at `backend`. */
async function serve(folder: string, backend: number): Promise<{ readonly engine: Engine; readonly url: string }> {
  const translation = await translate(folder)
  const model = {
    ...translation.model,
    listeners: translation.model.listeners.map((each) => ({ ...each, address: '127.0.0.1', port: 0 })),
    endpoints: translation.model.endpoints.map((each) => ({
      ...each,
      addresses: [{ host: '127.0.0.1', port: backend }],
    })),
  }
  const engine = createEngine({ policies, services: createTestServices(), conditions: compileCondition })
  closing.push(() => engine.stop(100))
  const prepared = prepare([{ ...translation, model }])
  expect(await engine.apply(engine.compile(prepared.plan).artifact)).toMatchObject({ kind: 'applied' })
  const [address] = [...engine.addresses().values()]
  return { engine, url: `http://127.0.0.1:${address!.port}` }
}

async function echo(): Promise<number> {
  const server = createServer((request, response) => {
    response.setHeader('content-type', 'text/plain')
    response.end(`${request.method} ${request.url}`)
  })
  await new Promise<void>((done) => server.listen(0, '127.0.0.1', done))
  closing.push(
    () =>
      new Promise((done) => {
        server.closeAllConnections()
        server.close(done)
      }),
  )
  return (server.address() as AddressInfo).port
}

test('the quickstart serves', async () => {
  const { url } = await serve('quickstart', await echo())
  const answer = await fetch(`${url}/cart?id=1`)
  expect([answer.status, await answer.text(), answer.headers.get('x-served-by')]).toEqual([
    200,
    'GET /cart?id=1',
    'gantry',
  ])
  const moved = await fetch(`${url}/old/page?x=1`, { redirect: 'manual' })
  expect([moved.status, new URL(moved.headers.get('location')!).pathname]).toEqual([301, '/new/page'])
})
