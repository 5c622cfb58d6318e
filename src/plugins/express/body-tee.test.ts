/** A body that middleware and the backend both get: whoever is slower says how much is read of it. */
import { IncomingMessage } from 'node:http'
import { PassThrough, type Readable } from 'node:stream'
import { expect, test } from 'vitest'
import type { Exchange } from '../../policies/policy.ts'
import type { ExpressRequest } from '../types.ts'
import { BodyTee } from './body-tee.ts'

const turn = (): Promise<void> => new Promise((resolve) => void setImmediate(resolve))

test('middleware that reads on does not fill the memory while the backend takes nothing', async () => {
  const source = new PassThrough({ highWaterMark: 1024 })
  let forward: Readable | undefined
  const body = {
    empty: false,
    stream: () => source,
    replaceStream: (stream: Readable) => void (forward = stream),
  }
  const exchange = { request: { body, headers: new Map<string, string>() } } as unknown as Exchange
  const request = new IncomingMessage(null as never) as ExpressRequest
  const tee = new BodyTee()
  request._read = () => tee.read(exchange, request, 1 << 20)
  let heard = 0
  // who reads like this asks for more with each piece
  request.on('readable', () => {
    for (let chunk = request.read() as Buffer | null; chunk !== null; chunk = request.read() as Buffer | null)
      heard += chunk.length
  })
  await turn()
  expect(tee.carryBack(exchange, request, undefined)).toBe('ok')

  const piece = Buffer.alloc(16 << 10)
  let given = 0
  for (let at = 0; at < 100; at++) {
    if (!source.writableNeedDrain) {
      source.write(piece)
      given += piece.length
    }
    await turn()
  }
  // what PassThrough holds on both sides, and a piece on its way
  expect(given).toBeLessThanOrEqual(10 * piece.length)

  let got = 0
  forward?.on('data', (chunk: Buffer) => void (got += chunk.length))
  source.end()
  await new Promise((resolve) => forward?.once('end', resolve))
  expect(got).toBe(given)
  expect(heard).toBe(given)
})
