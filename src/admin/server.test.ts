/** Who may ask the admin API, over real sockets. */
import { request } from 'node:http'
import { connect } from 'node:net'
import { expect, test } from 'vitest'
import type { Handler } from '../lib/handler.ts'
import { openAdmin, sendText } from './server.ts'

const hello: Handler = (_request, response, url) => {
  if (url.pathname === '/throws') throw new Error('a handler failed')
  if (url.pathname !== '/hello') return false
  sendText(response, 200, 'hello')
  return true
}

function ask(url: string, headers: Readonly<Record<string, string>> = {}): Promise<number> {
  return new Promise((resolve, reject) => {
    request(url, { headers }, (response) => {
      response.resume()
      resolve(response.statusCode ?? 0)
    })
      .on('error', reject)
      .end()
  })
}

test('on loopback local programs may ask, web pages and rebound names may not', async () => {
  const admin = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [hello] })
  expect(await ask(`${admin.url}/hello`)).toBe(200)
  expect(await ask(`${admin.url}/other`)).toBe(404)
  expect(await ask(`${admin.url}/throws`)).toBe(500)
  expect(await ask(`${admin.url}/hello`, { Host: 'evil.example' })).toBe(403)
  // a name may begin like an address
  expect(await ask(`${admin.url}/hello`, { Host: '127.0.0.1.evil.example:9876' })).toBe(403)
  expect(await ask(`${admin.url}/hello`, { Host: '127.evil.example' })).toBe(403)
  expect(await ask(`${admin.url}/hello`, { Host: '127.8.9.10:9876' })).toBe(200)
  expect(await ask(`${admin.url}/hello`, { Origin: 'http://evil.example' })).toBe(403)
  expect(await ask(`${admin.url}/hello`, { Origin: admin.url })).toBe(200)
  await admin.close()
})

test('with a token nobody asks without it', async () => {
  const token = 'a-token-of-sixteen'
  const admin = await openAdmin({ address: '127.0.0.1', port: 0, token, handlers: [hello] })
  expect(await ask(`${admin.url}/hello`)).toBe(401)
  expect(await ask(`${admin.url}/hello`, { Authorization: 'Bearer wrong' })).toBe(401)
  expect(await ask(`${admin.url}/hello`, { Authorization: `Bearer ${token}` })).toBe(200)
  await admin.close()
})

test('outside loopback it does not open without a token', async () => {
  await expect(openAdmin({ address: '0.0.0.0', port: 0, handlers: [] })).rejects.toThrow('without a token')
})

test('two hosts are refused, of which one would be checked and the other believed', async () => {
  const admin = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [hello] })
  for (const hosts of ['Host: localhost\r\nHost: evil.example', 'Host: evil.example\r\nhost: localhost']) {
    const answer = await talk(admin.url, `GET /hello HTTP/1.1\r\n${hosts}\r\nConnection: close\r\n\r\n`)
    expect(answer).toMatch(/^HTTP\/1.1 400 /)
  }
  await admin.close()
})

test.each([
  ['half a head', 'POST /hello HTTP/1.1\r\nHost: loc'],
  ['half a body', 'POST /hello HTTP/1.1\r\nHost: localhost\r\nContent-Length: 10\r\n\r\n12345'],
])('%s is not waited for without end', async (_what, text) => {
  const reads: Handler = async (request, response) => {
    for await (const _piece of request);
    sendText(response, 200, 'read')
    return true
  }
  const admin = await openAdmin({ address: '127.0.0.1', port: 0, handlers: [reads], requestTimeout: 200 })
  expect(await talk(admin.url, text)).toMatch(/^HTTP\/1.1 408 /)
  await admin.close()
})

/** All that comes until the connection ends. */
function talk(url: string, text: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(Number(new URL(url).port), '127.0.0.1')
    let received = ''
    socket.on('data', (chunk) => {
      received += chunk.toString()
    })
    socket.on('error', reject)
    socket.on('close', () => resolve(received))
    socket.write(text)
  })
}
