/** Kargo's plugins, as its configuration names them: which are ours, and what the admin API serves. */
import { createServer } from 'node:http'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { CreateBucketCommand, PutObjectCommand } from '@aws-sdk/client-s3'
import { Counter, Registry } from 'prom-client'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { type S3Server, startS3 } from '../../test/servers/s3.ts'
import { createKargo, kargoPlugin } from './kargo.ts'

const folder = mkdtempSync(join(tmpdir(), 'gantry-kargo-'))
const events = { emit: () => undefined, diagnostic: () => undefined }
let s3: S3Server
beforeAll(async () => {
  s3 = await startS3()
  await s3.client.send(new CreateBucketCommand({ Bucket: 'maps' }))
  await s3.client.send(new PutObjectCommand({ Bucket: 'maps', Key: 'a/b', Body: 'tile' }))
}, 300_000)
afterAll(async () => {
  await s3.close()
  rmSync(folder, { recursive: true })
})

const wish = (name: string, file: string | undefined, settings = {}) => ({
  name,
  ...(file === undefined ? {} : { package: file }),
  settings,
  from: folder,
})

test('which plugins are Kargo’s', () => {
  expect(
    ['healthcheck', 'metrics', 'scopes', 'populate', 's3'].map((name) =>
      kargoPlugin(wish(name, `./plugins/${name}.js`)),
    ),
  ).toEqual(['healthcheck', 'metrics', 'scopes', 'populate', 's3'])
  expect(kargoPlugin(wish('storage', './plugins/storage'))).toBe('storage')
  expect(kargoPlugin(wish('metrics', undefined))).toBeUndefined()
  expect(kargoPlugin(wish('metrics', 'express-gateway-plugin-metrics'))).toBeUndefined()
  mkdirSync(join(folder, 'plugins'))
  writeFileSync(join(folder, 'plugins/metrics.js'), '')
  expect(kargoPlugin(wish('metrics', './plugins/metrics.js'))).toBeUndefined()
  rmSync(join(folder, 'plugins'), { recursive: true })
})

test('the admin API serves metrics and objects; other plugins are given back', async () => {
  const registry = new Registry()
  new Counter({ name: 'eg', help: 'express-gateway', registers: [registry] }).inc()
  const kargo = createKargo({
    events,
    metrics: {
      expose: async () => ({ contentType: registry.contentType, text: await registry.metrics() }),
      objects: () => registry.getMetricsAsJSON(),
    },
    environment: { S3_ACCESS_KEY: 'k', S3_SECRET_ACCESS_KEY: 's', S3_ENDPOINT: s3.url },
  })
  const { others, diagnostics } = await kargo.load(
    [
      wish('metrics', './plugins/metrics.js'),
      wish('own', './plugins/own.js'),
      wish('s3', './plugins/s3.js', { endpointName: '/legacy' }),
      wish('storage', './plugins/storage', {
        providers: {
          aws: {
            endpoint: s3.url,
            accessKeyId: 'k',
            secretAccessKey: 's',
            default: true,
            s3ForcePathStyle: true,
            signatureVersion: 'v4',
          },
          ovh: { endpoint: 'null', accessKeyId: null, secretAccessKey: '' },
        },
      }),
    ],
    folder,
    undefined,
  )
  expect([others.map(({ name }) => name), diagnostics]).toEqual([['own'], []])
  const server = createServer((req, res) => {
    void (async () => {
      if (!(await kargo.adminHandler(req, res, new URL(req.url ?? '/', 'http://admin')))) res.writeHead(404).end('own')
    })()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`
  const ask = async (path: string, init: RequestInit = {}): Promise<unknown> => {
    const answer = await fetch(url + path, init)
    return [answer.status, answer.headers.get('content-type')?.split(';')[0], await answer.text()]
  }
  try {
    expect(await ask('/metrics')).toEqual([200, 'text/plain', expect.stringContaining('eg 1')])
    expect(await ask('/metrics', { headers: { accept: 'application/json' } })).toEqual([
      200,
      'application/json',
      expect.stringContaining('"name":"eg"'),
    ])
    expect(await ask('/s3/aws/maps/a/b')).toEqual([200, 'application/octet-stream', 'tile'])
    expect(await ask('/s3/maps/a/b', { method: 'HEAD' })).toEqual([200, 'application/octet-stream', ''])
    expect(await ask('/legacy/maps/a/b', { headers: { range: 'bytes=0-1' } })).toEqual([
      206,
      'application/octet-stream',
      'ti',
    ])
    expect(await ask('/s3/ovh/maps/a/b')).toEqual([503, 'text/plain', 'Service Unavailable'])
    expect(await ask('/other')).toEqual([404, undefined, 'own'])
  } finally {
    server.closeAllConnections()
    server.close()
  }
})

test('what is wrong is said', async () => {
  const kargo = createKargo({
    events,
    metrics: { expose: () => Promise.resolve({ contentType: '', text: '' }), objects: () => Promise.resolve([]) },
  })
  const { diagnostics } = await kargo.load(
    [
      wish('storage', './plugins/storage', { providers: { aws: { nonsense: 1 } } }),
      wish('populate', './plugins/populate.js'),
    ],
    folder,
    undefined,
  )
  expect(diagnostics.map(({ severity, code }) => `${severity} ${code}`)).toEqual([
    'error kargo/storage',
    'warning populate/missing',
  ])
})
