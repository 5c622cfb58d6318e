/** Schemas of json-schema conditions that refer to documents elsewhere: downloaded, followed, kept, or said to be missing. */
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { bench } from '../../policies/testing.ts'
import type { Condition } from '../../model/model.ts'
import { createDownload } from './download.ts'
import { readWorld } from './read.ts'
import { translate } from './translate.ts'

let folder: string
let base: string
let documents: Record<string, string>
let asked: string[]
let server: http.Server

beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'gantry-schemas-'))
  documents = {}
  asked = []
  server = http.createServer((request, response) => {
    asked.push(request.url ?? '')
    const document = documents[request.url ?? '']
    response.writeHead(document === undefined ? 404 : 200).end(document)
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  base = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  return () => {
    rmSync(folder, { recursive: true })
    server.closeAllConnections()
    server.close()
  }
})

const stops: (() => unknown)[] = []
afterEach(async () => {
  for (const stop of stops.splice(0)) await stop()
})

function write(schema: unknown): void {
  writeFileSync(
    join(folder, 'gateway.config.yml'),
    `http: { port: 8080 }
policies: [terminate]
apiEndpoints: { a: {} }
pipelines:
  a:
    apiEndpoints: [a]
    policies:
      - terminate: { condition: { name: json-schema, schema: ${JSON.stringify(schema)} }, action: { statusCode: 200 } }
`,
  )
}

const order = { type: 'object', properties: { item: { $ref: 'item.json#/definitions/item' } }, required: ['item'] }
const item = { $schema: 'http://json-schema.org/draft-04/schema#', definitions: { item: { type: 'integer' } } }

test('a document that refers to another one is asked for with it, and both are applied to bodies', async () => {
  documents = { '/order.json': JSON.stringify(order), '/item.json': JSON.stringify(item) }
  write({ $ref: `${base}/order.json` })
  const { model, diagnostics } = translate(await readWorld(folder, {}))
  expect(diagnostics).toEqual([])
  expect(asked.toSorted()).toEqual(['/item.json', '/order.json'])
  const when = model.routes[0]?.policies[0]?.when as Condition
  const served = await bench({ uses: [{ policy: 'reply', config: { status: 299 }, when }] })
  stops.push(() => served.stop())
  const status = async (body: unknown): Promise<number> =>
    (await served.call({ method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) }))
      .status
  expect(await status({ item: 3 })).toBe(299)
  expect(await status({ item: 'three' })).toBe(200)
  expect(await status({})).toBe(200)
})

test('what the schema itself has under that URL is not asked for, nor are the dialects', async () => {
  write({
    $schema: 'http://json-schema.org/draft-07/schema#',
    $ref: 'http://example.test/own',
    definitions: { own: { $id: 'http://example.test/own', type: 'object' } },
  })
  expect(translate(await readWorld(folder, {})).diagnostics).toEqual([])
  expect(asked).toEqual([])
})

test.each([
  ['is not there', undefined, 'it is answered with 404'],
  ['is no JSON', '<html>', expect.stringContaining('JSON') as unknown],
  ['is no schema', '[]', 'it is not a JSON schema'],
  ['is too large', `"${'x'.repeat(1_100_000)}"`, 'it is larger than 1048576 bytes'],
])('a document that %s is said, and nothing is served', async (_why, text, reason) => {
  if (text !== undefined) documents['/order.json'] = text
  write({ $ref: `${base}/order.json` })
  const { diagnostics, refused } = translate(await readWorld(folder, {}))
  expect(refused).toBe(true)
  expect(diagnostics).toMatchObject([{ code: 'express-gateway/condition', severity: 'error', origin: { line: 8 } }])
  const said = diagnostics[0]?.message.split('which cannot be used: ')[1]
  expect(said).toEqual(reason)
})

test('what was there stays while its server is gone, and is asked for again after a while', async () => {
  let now = 0
  const download = createDownload(() => now)
  const url = `${base}/order.json`
  expect(await download(url)).toMatchObject({ kind: 'unreadable' })
  documents['/order.json'] = '{}'
  expect(await download(url)).toMatchObject({ kind: 'unreadable' })
  now = 10_001
  expect(await download(url)).toMatchObject({ kind: 'text', text: '{}' })
  documents['/order.json'] = '{"a":1}'
  expect(await download(url)).toMatchObject({ text: '{}' })
  now += 300_001
  expect(await Promise.all([download(url), download(url)])).toMatchObject([{ text: '{"a":1}' }, { text: '{"a":1}' }])
  expect(asked).toHaveLength(3)
  delete documents['/order.json']
  now += 300_001
  expect(await download(url)).toMatchObject({ text: '{"a":1}' })
})
