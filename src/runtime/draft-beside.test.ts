/** A real thread: its drafts arrive whole, what stays the same stays the same object, and a thread that ends is replaced. */
import { expect, test } from 'vitest'
import { runsFor } from '../../conformance/loud.ts'
import { Secret } from '../model/secret.ts'
import { draftBeside } from './draft-beside.ts'
import type { ReadingOrders } from './draft-messages.ts'
import type { Draft, Drafts } from './drafts.ts'

const program = new URL('../bin/reader.mjs', import.meta.url)
const module = new URL('./testing/reading.ts', import.meta.url).href

function start(
  watch: boolean,
  outcome: (count: number) => 'applied' | 'refused' = () => 'applied',
): { drafts: Drafts; events: string[]; until(count: number): Promise<readonly Draft[]> } {
  const orders: ReadingOrders = { folder: '/nowhere', sources: ['scripted'], environment: {}, watch }
  const events: string[] = []
  const drafts = draftBeside({
    program,
    data: { module, orders },
    environment: { PATH: process.env['PATH'] },
    events: { emit: (_level, code) => void events.push(code) },
  })
  const taken: Draft[] = []
  drafts.start(async (draft) => {
    taken.push(draft)
    return outcome(taken.length)
  })
  const until = async (count: number): Promise<readonly Draft[]> => {
    await expect.poll(() => taken.length, { timeout: 60_000 }).toBeGreaterThanOrEqual(count)
    return taken
  }
  return { drafts, events, until }
}

test('drafts of a thread, and of the next one after it has ended', async () => {
  const { drafts, events, until } = start(true)
  try {
    const [first, second, third, again] = await until(4)
    const routes = first?.plan?.model.routes ?? []
    expect(routes).toHaveLength(120)
    expect(first).toMatchObject({ standing: 'current', diagnostics: [] })
    const secrets = routes.flatMap(({ policies }) =>
      policies.map(({ config }) => (config as { secret: Secret }).secret),
    )
    expect(secrets[7]).toBeInstanceOf(Secret)
    expect(secrets[7]?.reveal()).toBe('secret of r7')
    expect(first?.wishes[0]?.expressGateway).toEqual({
      folder: '/f',
      gatewayConfig: { pattern: /x/, world: 1 },
      systemConfig: {},
      models: {},
    })

    const more = second?.plan?.model.routes ?? []
    expect(more.map(({ id }) => id)).toEqual([
      ...routes.slice(0, 50).map(({ id }) => id),
      'new',
      ...routes.slice(50).map(({ id }) => id),
    ])
    expect(more[0]).toBe(routes[0])
    expect(more[120]).toBe(routes[119])
    expect(second?.plan?.id).not.toBe(first?.plan?.id)
    expect(third?.diagnostics.map(({ code }) => code)).toEqual(['test/third'])

    expect(events).toContain('runtime/reader-failed')
    expect(again?.plan?.id).toBe(first?.plan?.id)
  } finally {
    await drafts.stop()
  }
}, 90_000)

test('a thread that ends while its draft is taken is replaced after that', async () => {
  const name = 'draft-beside.test'
  const channel = new BroadcastChannel(name)
  const events: string[] = []
  const drafts = draftBeside({
    program,
    data: { module, orders: { folder: '/nowhere', sources: ['scripted'], environment: {}, watch: true } },
    environment: { PATH: process.env['PATH'], END_WHEN_TOLD_ON: name },
    events: { emit: (_level, code) => void events.push(code) },
  })
  let taken = 0
  let besides = 0
  drafts.start(async () => {
    taken++
    if (taken === 1) {
      channel.postMessage('end')
      // long enough for the end of a thread to be heard of
      await new Promise((resolve) => setTimeout(resolve, 1500))
      besides = events.length + taken - 1
    }
    return 'applied'
  })
  try {
    await expect.poll(() => taken, { timeout: 60_000 }).toBeGreaterThanOrEqual(2)
    expect(besides).toBe(0)
    expect(events).toContain('runtime/reader-failed')
  } finally {
    channel.close()
    await drafts.stop()
  }
}, 90_000)

test('while a thread has ended and the next one has not read, nothing is settled', async () => {
  const { drafts, events, until } = start(true)
  try {
    await expect.poll(() => events, { timeout: 60_000, interval: 5 }).toContain('runtime/reader-failed')
    const before = (await until(3)).length
    await drafts.settled()
    expect((await until(before)).length).toBeGreaterThan(3)
  } finally {
    await drafts.stop()
  }
}, 90_000)

test('without watching, what was refused may be asked for again', async () => {
  const { drafts, events, until } = start(false, (count) => (count === 1 ? 'refused' : 'applied'))
  const [first] = await until(1)
  await drafts.settled()
  drafts.again()
  const [, again] = await until(2)
  expect(again?.plan?.id).toBe(first?.plan?.id)
  await drafts.settled()
  await drafts.stop()
  expect(events).toEqual([])
}, 90_000)

test('without watching the thread is gone after its first plan, and nobody misses it', async () => {
  const { drafts, events, until } = start(false)
  expect(await until(1)).toHaveLength(1)
  await drafts.settled()
  await drafts.stop()
  expect(events).toEqual([])
}, 90_000)

const linux = process.platform === 'linux' ? undefined : 'only threads of Linux have priorities of their own'
test.runIf(runsFor('a thread that may not step back', linux))(
  'a thread that may not step back reads on, and says so',
  async () => {
    const events: (readonly [code: string, message: string])[] = []
    const drafts = draftBeside({
      program,
      data: { module, orders: { folder: '/nowhere', sources: ['scripted'], environment: {}, watch: false } },
      environment: { PATH: process.env['PATH'], REFUSE_PRIORITY: 'no such call here' },
      events: { emit: (_level, code, message) => void events.push([code, message]) },
    })
    const first = new Promise<Draft>((resolve) => {
      drafts.start((draft) => {
        resolve(draft)
        return Promise.resolve('applied')
      })
    })
    await expect
      .poll(() => events, { timeout: 60_000 })
      .toEqual([['runtime/reader-priority', expect.stringContaining('no such call here')]])
    expect((await first).plan?.model.routes).toHaveLength(120)
    await drafts.settled()
    await drafts.stop()
    expect(events).toHaveLength(1)
  },
  90_000,
)

test('a draft whose taking throws is refused, said, and followed by the next', async () => {
  const { drafts, events, until } = start(true, (count) => {
    if (count === 1) throw new Error('a mistake of the test')
    return 'applied'
  })
  try {
    await until(1)
    await expect.poll(() => events, { timeout: 60_000 }).toContain('runtime/take-failed')
    drafts.again()
    const [first, again] = await until(2)
    expect(again?.plan?.id).toBe(first?.plan?.id)
  } finally {
    await drafts.stop()
  }
}, 90_000)
