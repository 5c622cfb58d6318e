/** storage on the engine, in front of a real S3 server. */
import { createServer, get as httpGet } from 'node:http'
import type { AddressInfo, Socket } from 'node:net'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type S3Server, startS3 } from '../../../test/servers/s3.ts'
import { serve, type Served } from '../../targets/engine/testing.ts'
import { config as schema, storage } from './policy.ts'

let s3: S3Server
let served: Served
let broken: ReturnType<typeof createServer>
const brokenSockets = new Set<Socket>()
let stopped = 0
const origin = { source: 'test' }

beforeAll(async () => {
  s3 = await startS3()
  for (const Bucket of ['maps', 'aws']) await s3.client.send(new CreateBucketCommand({ Bucket }))
  const put = (Bucket: string, Key: string, Body: string | Buffer, rest = {}): Promise<unknown> =>
    s3.client.send(new PutObjectCommand({ Bucket, Key, Body, ...rest }))
  await put('maps', 'tiles/1.txt', '0123456789', {
    ContentType: 'text/x-tile',
    CacheControl: 'max-age=5',
    Metadata: { layer: 'osm' },
  })
  await put('maps', 'ä ö/+.bin', 'umlaut')
  await put('maps', 'empty', '')
  await put('maps', 'large', Buffer.alloc(3_000_000, 'l'))
  await put('aws', 'in-bucket-aws', 'yes')
  // a store that sends half of what it promised, or for ever, or nothing
  broken = createServer((req, res) => {
    req.socket.on('close', () => stopped++)
    if (req.url?.includes('/silent') === true) return
    res.writeHead(req.url?.includes('/five') === true ? 500 : 200, { 'Content-Length': '1000000', ETag: '"e"' })
    res.write('half')
    if (req.url?.includes('/cut') === true) setTimeout(() => res.destroy(), 20)
    if (req.url?.includes('/five') === true) res.destroy()
  })
  broken.on('connection', (socket) => brokenSockets.add(socket))
  await new Promise<void>((resolve) => broken.listen(0, '127.0.0.1', resolve))
  const keys = { accessKeyId: 'k', secretAccessKey: 's' }
  const config = {
    timeout: 500,
    providers: {
      aws: { endpoint: s3.url, ...keys, default: true },
      ovh: { endpoint: s3.url },
      bad: { endpoint: `http://127.0.0.1:${(broken.address() as AddressInfo).port}`, ...keys },
      down: { endpoint: 'http://127.0.0.1:1', ...keys },
    },
  }
  served = await serve(
    {
      routes: [
        {
          id: 't',
          listeners: [],
          match: {},
          policies: [{ policy: 'storage', config, origin }],
          action: { kind: 'reply', status: 418 },
          origin,
        },
      ],
    },
    { policies: [storage] },
  )
  expect(served.diagnostics).toEqual([])
}, 300_000)

afterAll(async () => {
  await served.stop()
  for (const socket of brokenSockets) socket.destroy()
  broken.close()
  await s3.close()
})

const get = (path: string, init: RequestInit = {}): Promise<Response> => fetch(served.url + path, init)
const ask = async (path: string, init: RequestInit = {}): Promise<unknown> => {
  const answer = await get(path, init)
  return [answer.status, await answer.text()]
}

test('objects, by provider and by default', async () => {
  const answer = await get('/s3/aws/maps/tiles/1.txt')
  expect([answer.status, await answer.text()]).toEqual([200, '0123456789'])
  expect(Object.fromEntries(answer.headers)).toMatchObject({
    'content-type': 'text/x-tile',
    'content-length': '10',
    'accept-ranges': 'bytes',
    'cache-control': 'max-age=5',
    'x-amz-meta-layer': 'osm',
    etag: expect.stringMatching(/^"/),
  })
  expect(await ask('/s3/maps/tiles/1.txt')).toEqual([200, '0123456789'])
  expect(await ask('/s3/aws/aws/in-bucket-aws')).toEqual([200, 'yes'])
  expect(await ask('/s3/maps/%C3%A4%20%C3%B6%2F%2B.bin')).toEqual([200, 'umlaut'])
  expect(await ask('/s3/maps/empty')).toEqual([200, ''])
  expect(await ask('/s3other')).toEqual([418, expect.anything()])
  expect((await (await get('/s3/maps/large')).arrayBuffer()).byteLength).toBe(3_000_000)
})

test('ranges, conditions, HEAD', async () => {
  const part = await get('/s3/maps/tiles/1.txt', { headers: { range: 'bytes=2-4' } })
  expect([part.status, part.headers.get('content-range'), await part.text()]).toEqual([206, 'bytes 2-4/10', '234'])
  expect((await get('/s3/maps/tiles/1.txt', { headers: { range: 'bytes=99-' } })).status).toBe(416)
  const head = await get('/s3/maps/tiles/1.txt', { method: 'HEAD' })
  expect([head.status, head.headers.get('content-length'), await head.text()]).toEqual([200, '10', ''])
  const etag = head.headers.get('etag') ?? ''
  expect((await get('/s3/maps/tiles/1.txt', { headers: { 'if-none-match': etag } })).status).toBe(304)
  expect((await get('/s3/maps/tiles/1.txt', { headers: { 'if-match': '"other"' } })).status).toBe(412)
  const later = new Date(Date.now() + 60_000).toUTCString()
  expect((await get('/s3/maps/tiles/1.txt', { headers: { 'if-modified-since': later } })).status).toBe(304)
})

test.each([
  ['/s3', 400],
  ['/s3/', 400],
  ['/s3/aws', 400],
  ['/s3/aws/maps', 400],
  ['/s3/aws/maps/', 400],
  ['/s3/%zz', 400],
  ['/s3/aws/maps/a%2F..%2Fb', 400],
  ['/s3/aws/..%2fx/key', 400],
  ['/s3/aws/maps/none', 404],
  ['/s3/aws/nobucket/key', 404],
  ['/s3/ovh/maps/tiles/1.txt', 503],
  ['/s3/down/maps/key', 502],
  ['/s3/bad/five/key', 502],
  ['/s3/bad/silent/key', 504],
] as const)('%s is %d, in our own words', async (path, status) => {
  const answer = await get(path)
  expect([answer.status, answer.headers.get('content-type')]).toEqual([status, 'text/plain; charset=utf-8'])
  expect(await answer.text()).toMatch(/^[A-Z][A-Za-z: ]+\n?$/)
})

test('only reading', async () => {
  const answer = await get('/s3/maps/tiles/1.txt', { method: 'PUT', body: 'x' })
  expect([answer.status, answer.headers.get('allow')]).toEqual([405, 'GET, HEAD'])
})

test('an object that breaks off breaks off for the client too; a client that leaves stops the store', async () => {
  const cut = await get('/s3/bad/cut/key')
  await expect(cut.text()).rejects.toThrow()
  const before = stopped
  await new Promise<void>((resolve, reject) => {
    const asked = httpGet(`${served.url}/s3/bad/endless/key`, (answer) => {
      answer.on('error', () => undefined)
      answer.once('data', () => {
        asked.destroy()
        resolve()
      })
    })
    asked.on('error', reject)
  })
  await expect.poll(() => stopped).toBeGreaterThan(before)
  expect(await ask('/s3/maps/tiles/1.txt')).toEqual([200, '0123456789'])
})

test('without a default, an unknown first segment is not there; two defaults are none', async () => {
  const alone = await serve(
    {
      routes: [
        {
          id: 't',
          listeners: [],
          match: {},
          policies: [{ policy: 'storage', config: { providers: { a: {} } }, origin }],
          action: { kind: 'reply', status: 418 },
          origin,
        },
      ],
    },
    { policies: [storage] },
  )
  expect((await fetch(`${alone.url}/s3/bucket/key`)).status).toBe(404)
  await alone.stop()
  expect(schema.safeParse({ providers: { a: { default: true }, b: { default: true } } }).success).toBe(false)
})
