/** The loop with a source and a target of the test's own: what is applied, what is kept, what is reported. */
import { expect, test } from 'vitest'
import { emptyModel } from '../model/model.ts'
import type { Plan } from '../pipeline/plan.ts'
import type { Source, Translation } from '../sources/source.ts'
import type { Applied, Target } from '../targets/target.ts'
import { draftHere } from './drafts.ts'
import { createEvents } from './events.ts'
import { exposeStale, startLoop, type LoopState } from './loop.ts'
import { createMetrics } from './metrics.ts'

interface World {
  readonly name: string
  readonly refused?: boolean
  readonly stale?: boolean
  readonly throws?: boolean
  readonly unserved?: boolean
}

/** A source that is told its worlds one by one. */
function scripted(): { source: Source<unknown, unknown>; push(world: World): void; reported: unknown[] } {
  const waiting: World[] = []
  const reported: unknown[] = []
  let wake = (): void => undefined
  const source: Source<World, string> = {
    name: 'scripted',
    async *read(_place, signal) {
      signal.addEventListener('abort', () => wake())
      while (!signal.aborted) {
        const world = waiting.shift()
        if (world !== undefined) yield world
        else await new Promise<void>((resolve) => (wake = resolve))
      }
    },
    translate: (world): Translation<string> => {
      if (world.throws === true) throw new Error('a bug of ours')
      const origin = { source: 'scripted', object: world.name }
      const listener = { id: world.name, address: '*', port: 1, protocol: 'http' as const, origin }
      const diagnostics =
        world.refused === true ? [{ code: 'test/bad', severity: 'error' as const, message: 'bad', origin }] : []
      return {
        model: { ...emptyModel, listeners: [listener] },
        diagnostics,
        statuses: [world.name],
        refused: world.refused === true,
        ...(world.stale === true ? { stale: true } : {}),
      }
    },
    report: async (statuses) => void reported.push(...statuses),
  }
  const push = (world: World): void => {
    waiting.push(world)
    wake()
  }
  return { source: source as Source<unknown, unknown>, push, reported }
}

function recording(): { target: Target<Plan>; applied: string[]; refuse: Set<string> } {
  const applied: string[] = []
  const refuse = new Set<string>()
  const target: Target<Plan> = {
    name: 'recording',
    compile: (plan) => ({ artifact: plan, diagnostics: [] }),
    apply: async (plan): Promise<Applied> => {
      const id = plan.model.listeners[0]?.id ?? ''
      if (refuse.has(id))
        return { kind: 'refused', diagnostics: [{ code: 'test/port', severity: 'error', message: 'port in use' }] }
      applied.push(id)
      return { kind: 'applied', diagnostics: [] }
    },
    stop: async () => undefined,
  }
  return { target, applied, refuse }
}

function start(
  source: Source<unknown, unknown>,
  target: Target<Plan>,
): { loop: ReturnType<typeof startLoop>; next(): Promise<LoopState>; lines: string[] } {
  const lines: string[] = []
  const events = createEvents({ level: 'debug', format: 'text', write: (line) => void lines.push(line) })
  const loop = startLoop({
    drafts: draftHere({
      feeds: [{ source, place: { kind: 'folder', path: '/nowhere', environment: {} } }],
      prepare: (translations) => ({
        plan: { id: translations[0]?.model.listeners[0]?.id ?? '', model: translations[0]?.model ?? emptyModel },
        diagnostics: [],
      }),
      events,
      settleMs: 0,
    }),
    target,
    grant: async () => [],
    events,
  })
  const waiters: ((state: LoopState) => void)[] = []
  loop.onChange((state) => waiters.shift()?.(state))
  return { loop, next: () => new Promise((resolve) => void waiters.push(resolve)), lines }
}

test('a world is applied, then reported', async () => {
  const { source, push, reported } = scripted()
  const { target, applied } = recording()
  const { loop } = start(source, target)
  push({ name: 'one' })
  const state = await loop.first
  await loop.settled()
  expect(state.stale).toBe(false)
  expect(applied).toEqual(['one'])
  expect(reported).toEqual(['one'])
  await loop.stop()
})

test('a refused world leaves the last good plan serving, and says so', async () => {
  const { source, push, reported } = scripted()
  const { target, applied } = recording()
  const { loop, next, lines } = start(source, target)
  push({ name: 'one' })
  await loop.first
  const changed = next()
  push({ name: 'two', refused: true })
  const state = await changed
  await loop.settled()
  expect(state.stale).toBe(true)
  expect(state.plan?.id).toBe('one')
  expect(state.diagnostics.map((diagnostic) => diagnostic.code)).toEqual(['test/bad'])
  expect(applied.at(-1)).toBe('one')
  expect(reported).not.toContain('two')
  expect(lines.join('')).toContain('the last good plan serves on')
  await loop.stop()
})

test('a world of which a part is as it was is served, and told: in the log, and by a metric', async () => {
  const { source, push } = scripted()
  const { loop, next, lines } = start(source, recording().target)
  const metrics = createMetrics()
  exposeStale(metrics, loop)
  const measured = async (): Promise<string | undefined> =>
    /^gantry_configuration_stale (\d)$/m.exec((await metrics.expose()).text)?.[1]
  push({ name: 'one' })
  await loop.first
  expect(await measured()).toBe('0')
  for (const [world, value] of [
    [{ name: 'two', stale: true }, '1'],
    [{ name: 'three' }, '0'],
  ] as const) {
    const changed = next()
    push(world)
    expect((await changed).plan?.id).toBe(world.name)
    expect(await measured()).toBe(value)
  }
  expect(lines.join('')).toMatch(/not all of the configuration is current[^]*two is being served[^]*is current again/)
  await loop.stop()
})

test('a first world that is refused serves nothing', async () => {
  const { source, push } = scripted()
  const { target, applied } = recording()
  const { loop } = start(source, target)
  push({ name: 'one', refused: true })
  const state = await loop.first
  expect(state.plan).toBeUndefined()
  expect(applied).toEqual([])
  await loop.stop()
})

test('a source that throws while translating is our mistake and costs nobody the good plan', async () => {
  const { source, push } = scripted()
  const { target } = recording()
  const { loop, next } = start(source, target)
  push({ name: 'one' })
  await loop.first
  const changed = next()
  push({ name: 'two', throws: true })
  const state = await changed
  expect(state.plan?.id).toBe('one')
  expect(state.diagnostics[0]).toMatchObject({ code: 'runtime/internal', severity: 'error' })
  await loop.stop()
})

test('a plan that the target refuses is not the plan', async () => {
  const { source, push } = scripted()
  const { target, refuse } = recording()
  refuse.add('two')
  const { loop, next } = start(source, target)
  push({ name: 'one' })
  await loop.first
  const refused = next()
  push({ name: 'two' })
  expect((await refused).plan?.id).toBe('one')
  const mended = next()
  push({ name: 'three' })
  const state = await mended
  expect(state).toMatchObject({ stale: false, plan: { id: 'three' } })
  await loop.stop()
})

test('a listener that throws is heard of, and ends nothing', async () => {
  const { source, push } = scripted()
  const { target, applied } = recording()
  const { loop, next, lines } = start(source, target)
  loop.onChange(() => {
    throw new Error('a listener of the test')
  })
  const later: string[] = []
  loop.onChange(({ plan }) => void later.push(plan?.id ?? ''))
  push({ name: 'one' })
  await loop.first
  await loop.settled()
  const changed = next()
  push({ name: 'two' })
  await changed
  await loop.settled()
  expect(applied).toEqual(['one', 'two'])
  expect(later).toEqual(['one', 'two'])
  expect(lines.join('')).toContain('a listener of the test')
  await loop.stop()
})
