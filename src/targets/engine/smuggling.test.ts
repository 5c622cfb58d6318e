/**
 * Messages that are known to split one reader from the next, sent through chains of two: engine → node:http,
 * engine → nginx, nginx → engine. Whoever stands last counts requests, and the client counts its answers: where two
 * readers disagree on where a message ends, a request arrives that nobody gets an answer to, or one too few.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { once } from 'node:events'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { freePort } from '../../../test/servers/port.ts'
import { forwarding, onLoopback, serve } from './testing.ts'

const inner = 'GET /smuggled HTTP/1.1\r\nHost: x\r\n\r\n'
const chunk = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`

function post(fields: string, body: string, line = 'POST /first HTTP/1.1'): string {
  return `${line}\r\nHost: x\r\n${fields}\r\n${body}`
}

/** All of them hide `inner` behind a reading that somebody has, or has had. */
const corpus: Readonly<Record<string, string>> = {
  'CL.TE': post('Content-Length: 5\r\nTransfer-Encoding: chunked\r\n', `0\r\n\r\n${inner}`),
  'TE.CL': post('Transfer-Encoding: chunked\r\nContent-Length: 4\r\n', chunk),
  'CL.CL, first shorter': post(`Content-Length: 0\r\nContent-Length: ${inner.length}\r\n`, inner),
  'CL.CL, last shorter': post(`Content-Length: ${inner.length}\r\nContent-Length: 0\r\n`, inner),
  'a list of lengths': post(`Content-Length: ${inner.length}, 0\r\n`, inner),
  'a length with a sign': post(`Content-Length: +${inner.length}\r\n`, inner),
  'a length in hex': post(`Content-Length: 0x${inner.length.toString(16)}\r\n`, inner),
  'a length with leading zeros': post(`Content-Length: 000${inner.length}\r\n`, inner),
  'an empty length': post('Content-Length:\r\n', inner),
  'a length that overflows': post(`Content-Length: 18446744073709551616\r\n`, inner),
  'a length in a folded line': post(`X: y\r\n Content-Length: ${inner.length}\r\n`, inner),
  'a length behind a bare LF': post(`X: y\nContent-Length: ${inner.length}\r\n`, inner),
  'a length behind a bare CR': post(`X: y\rContent-Length: ${inner.length}\r\n`, inner),
  'a length behind NUL': post(`X: y\0\r\nContent-Length: ${inner.length}\r\n`, inner),
  'a space before the colon': post(`Content-Length : ${inner.length}\r\n`, inner),
  'a name with an underscore': post(`Content_Length: ${inner.length}\r\n`, inner),
  'a length with GET': post(`Content-Length: ${inner.length}\r\n`, inner, 'GET /first HTTP/1.1'),
  'a length with HEAD': post(`Content-Length: ${inner.length}\r\n`, inner, 'HEAD /first HTTP/1.1'),
  'a coding with a space before the colon': post('Transfer-Encoding : chunked\r\nContent-Length: 4\r\n', chunk),
  'a coding behind a tab': post('Transfer-Encoding:\tchunked\r\nContent-Length: 4\r\n', chunk),
  'a coding behind a vertical tab': post('Transfer-Encoding: \x0bchunked\r\nContent-Length: 4\r\n', chunk),
  'a coding in quotes': post('Transfer-Encoding: "chunked"\r\nContent-Length: 4\r\n', chunk),
  xchunked: post('Transfer-Encoding: xchunked\r\nContent-Length: 4\r\n', chunk),
  'chunked twice': post('Transfer-Encoding: chunked\r\nTransfer-Encoding: identity\r\n', chunk),
  identity: post('Transfer-Encoding: identity\r\nContent-Length: 4\r\n', chunk),
  'chunked, identity': post('Transfer-Encoding: chunked, identity\r\n', chunk),
  'a coding in HTTP/1.0': post(
    'Transfer-Encoding: chunked\r\nConnection: keep-alive\r\n',
    chunk,
    'POST /first HTTP/1.0',
  ),
  'a coding in a folded line': post('Transfer-Encoding:\r\n chunked\r\nContent-Length: 4\r\n', chunk),
  'a chunk size with 0x': post('Transfer-Encoding: chunked\r\n', `0x0\r\n\r\n${inner}`),
  'a chunk size with a sign': post('Transfer-Encoding: chunked\r\n', `-0\r\n\r\n${inner}`),
  'a chunk size that overflows': post('Transfer-Encoding: chunked\r\n', `10000000000000000\r\n\r\n${inner}`),
  'a chunk line that ends in LF': post('Transfer-Encoding: chunked\r\n', `0\n\r\n${inner}`),
  'a chunk extension with LF': post('Transfer-Encoding: chunked\r\n', `2;\nxx\r\n0\r\n\r\n${inner}0\r\n\r\n`),
  'a chunk that is longer than it says': post('Transfer-Encoding: chunked\r\n', `1\r\nxx\r\n0\r\n\r\n${inner}`),
  'a last chunk without its empty line': post('Transfer-Encoding: chunked\r\n', `0\r\n${inner}`),
  'a trailer that frames': post(
    'Transfer-Encoding: chunked\r\n',
    `0\r\nContent-Length: ${inner.length}\r\n\r\n${inner}`,
  ),
  'Connection names the length': post(`Connection: content-length\r\nContent-Length: ${inner.length}\r\n`, inner),
  'Expect with a body at once': post(`Expect: 100-continue\r\nContent-Length: ${inner.length}\r\n`, inner),
  'an upgrade with a body': post(`Connection: Upgrade\r\nUpgrade: h2c\r\nContent-Length: ${inner.length}\r\n`, inner),
  'an upgrade that the backend does not take': post('Connection: Upgrade\r\nUpgrade: websocket\r\n', inner),
  'a target with a space': post(`Content-Length: ${inner.length}\r\n`, inner, 'POST /first HTTP/1.1 HTTP/1.1'),
  'an absolute target for another host': post(
    `Content-Length: ${inner.length}\r\n`,
    inner,
    'POST http://y/first HTTP/1.1',
  ),
}

const cleanups: (() => unknown)[] = []
const arrived: string[] = []
const ports: Record<string, number> = {}
const nginx = '/usr/sbin/nginx'
const chains = ['engine → node:http', ...(existsSync(nginx) ? ['engine → nginx', 'nginx → engine'] : [])]

beforeAll(async () => {
  const recorder = http.createServer((request, response) => {
    // whole ones only: of a body that turns out bad on its way, the head may be here already
    request.resume().on('end', () => {
      if (request.url !== '/meanwhile') arrived.push(`${request.method} ${request.url}`)
      response.end('answered')
    })
  })
  recorder.on('clientError', (_error, socket) => socket.destroy())
  const last = await listen(recorder)
  ports['engine → node:http'] = await engineTo(last)
  if (!existsSync(nginx)) return
  ports['engine → nginx'] = await engineTo(await nginxTo(last))
  ports['nginx → engine'] = await nginxTo(ports['engine → node:http'])
}, 60_000)

afterAll(async () => {
  for (const cleanup of cleanups.reverse()) await cleanup()
})

describe.each(chains)('%s', (chain) => {
  test.each(Object.keys(corpus))('%s', async (name) => {
    arrived.length = 0
    const received = await send(ports[chain]!, corpus[name]!)
    const answers = received.split('HTTP/1.1 200 OK\r\n').length - 1
    expect([...arrived, received]).toHaveLength(answers + 1)
    // the same once more for whoever kept a connection: what is left on it would stand before this
    arrived.length = 0
    expect(await ask(ports[chain]!, '/next')).toContain('answered')
    expect(arrived).toEqual(['GET /next'])
  })
})

/**
 * Sends, waits until there is nothing more to come, and gives what came. Silence counts when somebody else has been answered
 * meanwhile: before that, it is a machine that has other things to do.
 */
function send(port: number, what: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    let received = ''
    let timer: NodeJS.Timeout | undefined
    const end = async (): Promise<void> => {
      const before = received
      await ask(port, '/meanwhile')
      if (received === before) socket.destroy()
    }
    const rest = (): void => {
      clearTimeout(timer)
      timer = setTimeout(() => void end(), 150)
    }
    socket.on('data', (piece) => {
      received += piece.toString('latin1')
      rest()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => {
      clearTimeout(timer)
      resolve(received)
    })
    socket.write(what, 'latin1', rest)
  })
}

/** A request that nobody can read in two ways, on a connection of its own → all that comes. */
async function ask(port: number, target: string): Promise<string> {
  const socket = net.connect(port, '127.0.0.1')
  socket.write(`GET ${target} HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`)
  return await text(socket)
}

async function listen(server: http.Server): Promise<number> {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  cleanups.push(() => {
    server.closeAllConnections()
    server.close()
  })
  return (server.address() as AddressInfo).port
}

async function engineTo(port: number): Promise<number> {
  const served = await serve(forwarding(onLoopback(port)))
  cleanups.push(() => served.stop())
  return served.port
}

/** With kept connections to what is behind it, so that what is left over would be somebody else's. */
async function nginxTo(behind: number): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-smuggling-'))
  const port = await freePort()
  const places = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi']
  const temporary = places.map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')
  writeFileSync(
    join(folder, 'nginx.conf'),
    `daemon off; master_process off; pid ${folder}/pid; error_log ${folder}/log; events {}
http { access_log off; ${temporary} upstream behind { server 127.0.0.1:${behind}; keepalive 4; }
server { listen 127.0.0.1:${port}; location / { proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host x;
proxy_request_buffering off; proxy_pass http://behind; } } }`,
  )
  const child = spawn(nginx, ['-p', folder, '-c', join(folder, 'nginx.conf'), '-e', join(folder, 'log')], {
    stdio: 'ignore',
  })
  const ended = once(child, 'exit')
  cleanups.push(async () => {
    child.kill('SIGTERM')
    await ended
    rmSync(folder, { recursive: true, force: true })
  })
  while (!(await opens(port))) {
    if (child.exitCode !== null) throw new Error(`nginx ended with ${child.exitCode}`)
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
  return port
}

function opens(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = net.connect(port, '127.0.0.1')
    socket.on('connect', () => {
      socket.destroy()
      resolve(true)
    })
    socket.on('error', () => resolve(false))
  })
}
