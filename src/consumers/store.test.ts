/** One contract for every driver; the Redis is a real server. */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { type RedisServer, startRedis } from '../../test/servers/redis.ts'
import { lmdbStore } from './lmdb.ts'
import { memoryStore } from './memory.ts'
import { redisStore } from './redis.ts'
import { InvalidCursor, type Store } from './store.ts'

let clock = 1_000_000
const now = () => clock

interface Driver {
  readonly name: string
  open(): Promise<{ store: Store; pass(ms: number): Promise<void>; end(): Promise<void> }>
}

let server: RedisServer
beforeAll(async () => {
  server = await startRedis()
})
afterAll(() => server.close())

const passByClock = (ms: number) => Promise.resolve(void (clock += ms))
const drivers: readonly Driver[] = [
  {
    name: 'memory',
    open: () => Promise.resolve({ store: memoryStore(now), pass: passByClock, end: () => Promise.resolve() }),
  },
  {
    name: 'lmdb',
    open: () => {
      const path = mkdtempSync(join(tmpdir(), 'gantry-store-'))
      const store = lmdbStore({ path, now })
      const end = async () => (await store.close(), rmSync(path, { recursive: true }))
      return Promise.resolve({ store, pass: passByClock, end })
    },
  },
  ...['', 'pre:'].map((keyPrefix) => ({
    name: `redis${keyPrefix === '' ? '' : ' with a key prefix'}`,
    open: async () => {
      const store = redisStore({ redis: { port: server.port, host: '127.0.0.1', keyPrefix }, watched: ['h:', 's:'] })
      await store.connection.client.flushall()
      const pass = (ms: number) => new Promise<void>((resolve) => setTimeout(resolve, ms))
      return { store, pass, end: () => store.close() }
    },
  })),
]

describe.each(drivers)('$name', (driver) => {
  let store: Store
  let pass: (ms: number) => Promise<void>
  let end: () => Promise<void>
  beforeEach(async () => {
    ;({ store, pass, end } = await driver.open())
    return () => end()
  })

  it('keeps hashes, and gives the same object until something changes it', async () => {
    expect(await store.hash('h:a')).toBeUndefined()
    await store.write([{ kind: 'set-fields', key: 'h:a', fields: { x: '1', y: 'ü \u0000 "' } }])
    const first = await store.hash('h:a')
    expect(first).toEqual({ x: '1', y: 'ü \u0000 "' })
    if (store.kind !== 'redis') expect(await store.hash('h:a')).toBe(first)
    await store.write([{ kind: 'set-fields', key: 'h:a', fields: { y: '2', z: '3' } }])
    expect(await store.hash('h:a')).toEqual({ x: '1', y: '2', z: '3' })
    await store.write([{ kind: 'delete-fields', key: 'h:a', fields: ['x', 'nothing'] }])
    expect(await store.hashes(['h:a', 'h:none'])).toEqual([{ y: '2', z: '3' }, undefined])
    await store.write([{ kind: 'delete-fields', key: 'h:a', fields: ['y', 'z'] }])
    expect(await store.hash('h:a')).toBeUndefined()
    expect(await store.write([], { absent: ['h:a'] })).toBe(true)
  })

  it('keeps fields whose names are those of Object', async () => {
    await store.write([
      { kind: 'set-fields', key: 'h:a', fields: JSON.parse('{"__proto__":"1","constructor":"2"}') as never },
    ])
    expect(Object.entries((await store.hash('h:a')) ?? {}).sort(([left], [right]) => (left < right ? -1 : 1))).toEqual([
      ['__proto__', '1'],
      ['constructor', '2'],
    ])
  })

  it('keeps sets', async () => {
    expect(await store.members('s:a')).toEqual([])
    await store.write([{ kind: 'add-members', key: 's:a', members: ['1', '2', '2'] }])
    await store.write([{ kind: 'add-members', key: 's:a', members: ['2', '3'] }])
    await store.write([{ kind: 'remove-members', key: 's:a', members: ['1', '9'] }])
    expect([...(await store.members('s:a'))].sort()).toEqual(['2', '3'])
    await store.write([{ kind: 'remove-members', key: 's:a', members: ['2', '3'] }])
    expect((await store.scan('s:', '0', 10)).keys).toEqual([])
  })

  it('keeps texts for their time', async () => {
    await store.write([
      { kind: 'set-text', key: 't:short', text: 'a', ttlMs: 40 },
      { kind: 'set-text', key: 't:long', text: 'b', ttlMs: 0 },
    ])
    expect(await store.text('t:short')).toBe('a')
    await pass(60)
    expect(await store.text('t:short')).toBeUndefined()
    expect(await store.write([], { absent: ['t:short'], present: ['t:long'] })).toBe(true)
    expect(await store.text('t:long')).toBe('b')
  })

  it('reads a key of another type as absent, and refuses to write over it', async () => {
    await store.write([{ kind: 'add-members', key: 's:a', members: ['1'] }])
    await store.write([{ kind: 'set-fields', key: 'h:a', fields: { x: '1' } }])
    expect(await store.hash('s:a')).toBeUndefined()
    expect(await store.text('s:a')).toBeUndefined()
    expect(await store.members('h:a')).toEqual([])
    const half = store.write([
      { kind: 'set-fields', key: 'h:b', fields: { x: '1' } },
      { kind: 'set-fields', key: 's:a', fields: { x: '1' } },
    ])
    await expect(half).rejects.toThrow(/s:a holds a set/)
    expect(await store.hash('h:b')).toBeUndefined()
  })

  it('writes all or nothing, in order, under a guard', async () => {
    const set = (key: string, x: string) => ({ kind: 'set-fields', key, fields: { x } }) as const
    expect(
      await store.write([set('h:a', '1'), { kind: 'delete', key: 'h:a' }, set('h:a', '2')], { absent: ['h:a'] }),
    ).toBe(true)
    expect(await store.hash('h:a')).toEqual({ x: '2' })
    expect(await store.write([set('h:b', '1')], { absent: ['h:a'] })).toBe(false)
    expect(await store.write([set('h:b', '1')], { present: ['h:a', 'h:c'] })).toBe(false)
    expect(await store.write([set('h:b', '1')], { fields: [{ key: 'h:a', field: 'x', value: '1' }] })).toBe(false)
    expect(await store.write([set('h:b', '1')], { fields: [{ key: 'h:a', field: 'x', value: undefined }] })).toBe(false)
    expect(await store.write([set('h:b', '1')], { members: [{ key: 's:a', members: ['1'] }] })).toBe(false)
    expect(await store.hash('h:b')).toBeUndefined()
    const right = {
      present: ['h:a'],
      fields: [{ key: 'h:a', field: 'x', value: '2' }],
      members: [{ key: 's:a', members: [] }],
    }
    expect(await store.write([set('h:b', '1')], right)).toBe(true)
    expect(await store.hash('h:b')).toEqual({ x: '1' })
  })

  it('lets one of many win who guard the same key', async () => {
    const tries = Array.from({ length: 20 }, (_, number) =>
      store.write([{ kind: 'set-fields', key: 'h:a', fields: { by: String(number) } }], { absent: ['h:a'] }),
    )
    expect((await Promise.all(tries)).filter(Boolean)).toHaveLength(1)
  })

  it('lists keys page by page, all of them once and none of another prefix', async () => {
    const changes = Array.from(
      { length: 250 },
      (_, n) => ({ kind: 'set-fields', key: `h:${n}`, fields: { n: `${n}` } }) as const,
    )
    await store.write([
      ...changes,
      { kind: 'set-fields', key: 'h', fields: { a: '' } },
      { kind: 'set-fields', key: 'i:1', fields: { a: '' } },
    ])
    const seen: string[] = []
    let cursor = '0'
    do {
      const page = await store.scan('h:', cursor, 40)
      expect(page.keys.length).toBeGreaterThan(0)
      seen.push(...page.keys)
      cursor = page.next
    } while (cursor !== '0')
    expect([...new Set(seen)].sort()).toEqual(changes.map(({ key }) => key).sort())
    expect((await store.scan('*', '0', 10)).keys).toEqual([])
    await expect((async () => store.scan('h:', 'zz', 10))()).rejects.toThrow(InvalidCursor)
  })

  it('answers for names of any length and kind', async () => {
    for (const name of ['\u0000', '', 'a\nb', 'ü'.repeat(500), 'x'.repeat(100_000)]) {
      expect(await store.hash(`h:${name}`)).toBeUndefined()
      expect(await store.members(`s:${name}`)).toEqual([])
    }
    await store.write([{ kind: 'set-fields', key: `h:\u0000${'ü'.repeat(500)}`, fields: { a: '1' } }])
    expect(await store.hash(`h:\u0000${'ü'.repeat(500)}`)).toEqual({ a: '1' })
  })

  it('holds large hashes', async () => {
    const fields = Object.fromEntries(Array.from({ length: 12_000 }, (_, n) => [`f${n}`, `${n}`]))
    await store.write([{ kind: 'set-fields', key: 'h:big', fields }])
    expect(Object.keys((await store.hash('h:big')) ?? {})).toHaveLength(12_000)
  })
})
