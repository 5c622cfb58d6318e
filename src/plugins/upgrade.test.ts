/** WebSockets by plugins: `http-ready` and the event `upgrade` of its server, as plugins were told to do it. */
import { createRequire } from 'node:module'
import { connect } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { WebSocket } from 'ws'
import type { Step } from '../policies/policy.ts'
import { hostOf, type TestHost } from './testing/plugins.ts'
import { serve, type Served } from './testing/serve.ts'

const ws = JSON.stringify(createRequire(import.meta.url).resolve('ws'))
const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

/** A plugin whose listener of `upgrade` is this. */
async function served(listener: string, timeout?: number): Promise<Served & { plugins: TestHost }> {
  const plugins = await hostOf(
    {
      up: `module.exports = { version: '1.2.0', init: (ctx) => {
        const { WebSocketServer } = require(${ws})
        ctx.eventBus.on('http-ready', ({ httpServer }) => { ${listener} })
      } }`,
    },
    timeout === undefined ? {} : { timeout },
  )
  open.push(plugins)
  expect(plugins.diagnostics).toEqual([])
  const gateway = await serve({ steps: () => [plugins.host.gatewayRoutes as Step] })
  open.push(gateway)
  plugins.host.serving([{ scheme: 'http', address: '127.0.0.1', port: gateway.port }])
  return { ...gateway, plugins }
}

/** Everything that comes until the connection ends. */
function raw(port: number, text: string): Promise<string> {
  return new Promise((resolve) => {
    let got = ''
    const socket = connect(port, '127.0.0.1', () => socket.write(text))
    socket.on('data', (piece: Buffer) => (got += piece.toString()))
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(got))
  })
}

const ask = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n`

test('a server of ws on the server of http-ready echoes, both ways and large, and sees who asks', async () => {
  const gateway = await served(
    `new WebSocketServer({ server: httpServer }).on('connection', (socket, req) => {
      socket.send(req.url + ' ' + req.headers['x-a'] + ' ' + req.socket.remoteAddress)
      socket.on('message', (data, binary) => socket.send(data, { binary }))
    })`,
  )
  const socket = new WebSocket(`ws://127.0.0.1:${gateway.port}/chat?x=1`, { headers: { 'x-a': 'b' } })
  const messages: Buffer[] = []
  socket.on('message', (data: Buffer) => messages.push(data))
  const sent = [Buffer.from('hello'), Buffer.alloc(3_000_000, 'x'), Buffer.from('end')]
  await new Promise((resolve, reject) => socket.once('open', resolve).once('error', reject))
  for (const each of sent) socket.send(each)
  await expect.poll(() => messages.length, { timeout: 20_000 }).toBe(4)
  expect(messages[0]?.toString()).toBe('/chat?x=1 b 127.0.0.1')
  expect(messages.slice(1).map((each, at) => each.equals(sent[at] as Buffer))).toEqual([true, true, true])
  const closed = new Promise<number>((resolve) => socket.once('close', resolve))
  socket.close(1000)
  expect(await closed).toBe(1000)
  expect(gateway.seen).toEqual([])
  // every other request goes its way
  expect((await fetch(`${gateway.url}/plain`)).status).toBe(200)
})

test('what is not 101 is an answer, and silence cuts the connection', async () => {
  const gateway = await served(
    `httpServer.on('upgrade', (req, socket, head) => {
      if (req.url === '/no') { socket.write('HTTP/1.1 401 No\\r\\nX-Why: because\\r\\n\\r\\nsorry'); return socket.destroy() }
      if (req.url === '/gone') return socket.destroy()
      if (req.url === '/rubbish') return socket.write('nonsense\\r\\n\\r\\n')
      throw new Error('no such path')
    })`,
  )
  expect(await raw(gateway.port, ask('/no').replace('Upgrade\r\n', 'Upgrade, close\r\n'))).toMatch(
    /^HTTP\/1\.1 401 No\r\n[^]*x-why: because\r\n[^]*\r\n\r\nsorry$/i,
  )
  for (const path of ['/gone', '/rubbish', '/thrown']) expect(await raw(gateway.port, ask(path))).toBe('')
  expect([...gateway.plugins.counts]).toEqual([['gantry_plugin_failures_total{upgrade,error}', 2]])
})

test('a plugin that never answers costs that connection, after a while', async () => {
  const gateway = await served(`httpServer.on('upgrade', () => undefined)`, 50)
  expect(await raw(gateway.port, ask('/'))).toBe('')
  expect(gateway.plugins.events.map(({ message }) => message)).toContain(
    'plugin upgrade failed: no answer within 50 ms',
  )
})

test('without a listener upgrades are forwarded as ever', async () => {
  const gateway = await served('')
  expect(await raw(gateway.port, ask('/f').replace('Upgrade\r\n', 'Upgrade, close\r\n'))).toMatch(/^HTTP\/1\.1 200 /)
  expect(gateway.seen.map(({ target }) => target)).toEqual(['/f'])
})
