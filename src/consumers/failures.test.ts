/** What the stores do when things go wrong: killed processes, full disks, a Redis that goes, comes back, comes back empty. */
import { spawn } from 'node:child_process'
import { EventEmitter } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it, onTestFinished, vi } from 'vitest'
import { freePort } from '../../test/servers/port.ts'
import { type RedisServer, startRedis } from '../../test/servers/redis.ts'
import { StoreUnavailable } from '../policies/services.ts'
import { lmdbStore } from './lmdb.ts'
import { type RedisStore, redisStore } from './redis.ts'
import type { StoreState } from './store.ts'

const set = (key: string, value: string) => ({ kind: 'set-fields', key, fields: { value } }) as const

describe('lmdb', () => {
  let path: string
  beforeEach(() => {
    path = mkdtempSync(join(tmpdir(), 'gantry-store-'))
    return () => rmSync(path, { recursive: true })
  })

  it('keeps what it has acknowledged when its process is killed', async () => {
    const child = writer(path, '50')
    await child.line('written 49')
    child.kill()
    const store = lmdbStore({ path })
    for (let number = 0; number < 50; number++) expect(store.hash(`h:${number}`)).toBeDefined()
    await store.close()
  })

  it('sees what another process has written, also where it remembers something older', async () => {
    const store = lmdbStore({ path })
    await store.write([set('h:3', 'old')])
    expect(store.hash('h:3')).toEqual({ value: 'old' })
    const child = writer(path, '4', '1')
    await child.line('written 3')
    expect(store.hash('h:3')).toEqual({ value: '3' })
    child.kill()
    await store.close()
  })

  it('says that the disk is full, and goes on reading', async () => {
    // a file may not grow beyond a megabyte here: what a full disk is, for one process
    const child = writer(path, '100000', '20000', 'trap "" XFSZ; ulimit -f 1024; ')
    const refused = await child.line('refused')
    expect(refused).toMatch(/StoreUnavailable: the disk under the store is full or broken/)
    expect(await child.line('readable')).toBe('readable {"value":"0x')
    child.kill()
  })

  it('refuses a folder that it cannot use', () => {
    expect(() => lmdbStore({ path: '/dev/null/store' })).toThrow(StoreUnavailable)
  })
})

describe('redis', () => {
  let server: RedisServer
  const stores: RedisStore[] = []
  const open = (port: number): RedisStore => {
    const store = redisStore({ redis: { port }, deadlineMs: 500, watched: ['h:'] })
    stores.push(store)
    return store
  }
  beforeEach(async () => {
    server = await startRedis()
  })
  afterEach(async () => {
    await Promise.all(stores.splice(0).map((store) => store.close()))
    await server.close()
  })

  it('refuses within the deadline when nobody is there', async () => {
    const store = open(await freePort())
    for (let times = 0; times < 2; times++) {
      const began = performance.now()
      await expect(async () => store.hash('h:a')).rejects.toThrow(StoreUnavailable)
      expect(performance.now() - began).toBeLessThan(5000)
    }
    await expect(store.write([set('h:a', '1')])).rejects.toThrow(StoreUnavailable)
  })

  it('refuses within the deadline when somebody is there who never answers', async () => {
    const sockets: Socket[] = []
    const silent = createServer((socket) => sockets.push(socket))
    await new Promise<void>((resolve) => silent.listen(0, '127.0.0.1', resolve))
    const { port } = silent.address() as { port: number }
    const store = open(port)
    const began = performance.now()
    await expect(async () => store.hash('h:a')).rejects.toThrow(StoreUnavailable)
    expect(performance.now() - began).toBeLessThan(5000)
    for (const socket of sockets) socket.destroy()
    silent.close()
  })

  it('comes back by itself, and says so when it is empty', async () => {
    const store = open(server.port)
    const states: StoreState[] = []
    store.onState((state) => states.push(state))
    await store.write([set('h:a', '1')])
    expect(await store.hash('h:a')).toEqual({ value: '1' })
    await server.stop()
    await vi.waitFor(() => expect(states).toEqual(['lost']), 5000)
    // nothing that was remembered is given out: it might have been taken away meanwhile
    await expect(async () => store.hash('h:a')).rejects.toThrow(StoreUnavailable)
    await server.start()
    await vi.waitFor(async () => expect(await store.hash('h:a')).toBeUndefined(), 5000)
    await vi.waitFor(() => expect(states).toEqual(['lost', 'back', 'empty']), 5000)
    await store.write([set('h:a', '2')])
    expect(await store.hash('h:a')).toEqual({ value: '2' })
  })

  it('knows that it held something, though a change came while it was being read', async () => {
    const store = open(server.port)
    const states: StoreState[] = []
    store.onState((state) => states.push(state))
    await store.write([set('h:a', '1')])
    // in one pipeline: what the write changes is forgotten before the answer to the question is looked at
    const [, value] = await Promise.all([store.write([set('h:a', '2')]), store.hash('h:a')])
    expect(value).toEqual({ value: '2' })
    await server.stop()
    await vi.waitFor(() => expect(states).toEqual(['lost']), 5000)
    await server.start()
    // who counts requests writes as soon as it can: that is not what was held
    await raw(server.port, 'SET rl:somebody 1')
    await vi.waitFor(() => expect(states).toEqual(['lost', 'back', 'empty']), 5000)
  })

  it('sees at once what others change, whoever they are', async () => {
    const store = open(server.port)
    await vi.waitFor(async () => {
      await store.write([set('h:a', 'old')])
      expect(await store.hash('h:a')).toEqual({ value: 'old' })
      expect(store.hash('h:a')).not.toBeInstanceOf(Promise) // remembered
      expect(store.watched()).toBe(true)
    }, 5000)
    await raw(server.port, 'HSET h:a value new')
    // within the ten seconds that a watched memory lives: it is the notice that makes it forget
    await vi.waitFor(async () => expect(await store.hash('h:a')).toEqual({ value: 'new' }), {
      timeout: 500,
      interval: 5,
    })
    await store.hash('h:a')
    await raw(server.port, 'FLUSHALL')
    await vi.waitFor(async () => expect(await store.hash('h:a')).toBeUndefined(), { timeout: 5000, interval: 5 })
  })
})

interface Writer {
  /** The first line, now or later, that begins so; rejects when the process ends without it. */
  line(start: string): Promise<string>
  kill(): void
}

function writer(path: string, count: string, size = '10', before = ''): Writer {
  const script = join(import.meta.dirname, 'testing/lmdb-writer.ts')
  const command = `${before}exec ${process.execPath} --import tsx "$0" "$@"`
  const child = spawn('bash', ['-c', command, script, path, count, size], { stdio: ['ignore', 'pipe', 'inherit'] })
  let text = ''
  onTestFinished(() => void child.kill('SIGKILL'))
  const told = new EventEmitter()
  child.stdout.on('data', (chunk: Buffer) => {
    text += chunk.toString()
    told.emit('more')
  })
  child.once('exit', () => told.emit('end'))
  return {
    kill: () => void child.kill('SIGKILL'),
    line: (start) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          const found = text
            .slice(0, text.lastIndexOf('\n') + 1)
            .split('\n')
            .find((each) => each.startsWith(start))
          if (found !== undefined) resolve(found)
        }
        told.on('more', look)
        told.once('end', () => reject(new Error(`ended without a line "${start}": ${text.slice(-500)}`)))
        look()
      }),
  }
}

function raw(port: number, command: string): Promise<string> {
  return new Promise((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => socket.write(`${command}\r\n`))
    socket.once('data', (data) => (socket.destroy(), resolve(data.toString())))
    socket.once('error', reject)
  })
}
