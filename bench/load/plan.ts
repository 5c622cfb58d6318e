/**
 * Program: the folder of a build, and a folder with many routes → JSON of `PlanFigures`: how long each part of a change
 * takes, for how long the event loop stood still, and what a route weighs. Run with --expose-gc.
 */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'

export interface PlanFigures {
  readonly routes: number
  /** Milliseconds, from nothing. */
  readonly translate: number
  readonly prepare: number
  readonly compile: number
  readonly apply: number
  /** With one route of them changed. */
  readonly again: {
    readonly translate: number
    readonly prepare: number
    readonly compile: number
    readonly apply: number
  }
  /**
   * Longest time in which the event loop did nothing else: while a plan was compiled in turns and applied, and in the 200 ms after;
   * of all changes, and of the change in the middle. Without the time in which the system let others run.
   */
  readonly applyStall: number
  readonly applyStallMedian: number
  /** Bytes of heap for a route of the model, and for what the engine makes of it. */
  readonly modelBytes: number
  readonly engineBytes: number
}

const [build = '', folder = ''] = process.argv.slice(2)
const load = <Module>(path: string): Promise<Module> => import(pathToFileURL(join(build, path)).href) as Promise<Module>
const { createEngine } = await load<typeof import('../../src/targets/engine/engine.ts')>('targets/engine/engine.js')
const { policies } = await load<typeof import('../../src/policies/list.ts')>('policies/list.js')
const { compileCondition } = await load<typeof import('../../src/policies/conditions.ts')>('policies/conditions.js')
const { sources } = await load<typeof import('../../src/reading.ts')>('reading.js')
const { readWorld } = await load<typeof import('../../src/sources/express-gateway/read.ts')>(
  'sources/express-gateway/read.js',
)
const { prepare } = await load<typeof import('../../src/pipeline/run.ts')>('pipeline/run.js')
const { createLiveServices } =
  await load<typeof import('../../src/runtime/live-services.ts')>('runtime/live-services.js')
const { createEvents } = await load<typeof import('../../src/runtime/events.ts')>('runtime/events.js')
const { createMetrics } = await load<typeof import('../../src/runtime/metrics.ts')>('runtime/metrics.js')
const { createExpressions } = await load<typeof import('../../src/lib/expression/expressions.ts')>(
  'lib/expression/expressions.js',
)

const services = createLiveServices({
  expressions: await createExpressions(),
  events: createEvents({ level: 'error', format: 'json' }),
  metrics: createMetrics(),
})
const engine = createEngine({ policies, conditions: compileCondition, services })
const expressGateway = sources.find(({ source }) => source.name === 'express-gateway')?.source
if (expressGateway === undefined) throw new Error('there is no source express-gateway')
const world = await readWorld(folder, process.env)
const before = heap()

const [translation, translate] = timed(() => expressGateway.translate(world))
const wrong = translation.diagnostics.filter(({ severity }) => severity === 'error')
if (wrong.length > 0) throw new Error(wrong.map(({ message }) => message).join('\n'))
const [first, prepareMs] = timed(() => prepare([translation]))
const afterModel = heap()
const [compiled, compile] = timed(() => engine.compile(first.plan))
const afterCompile = heap()
const applied = performance.now()
await engine.apply(compiled.artifact)
const apply = performance.now() - applied

// a plan that is swapped for another one, again and again: what a client of this process waits for
const text = world.gateway.kind === 'text' ? world.gateway.text : ''
const again = { translate: 0, prepare: 0, compile: 0, apply: 0 }
const stalls: number[] = []
for (let turn = 1; turn <= 9; turn++) {
  const gateway = {
    kind: 'text',
    name: 'gateway.config.yml',
    text: text.replace('/service3', `/changed${turn}`),
  } as const
  const [next, translateMs] = timed(() => expressGateway.translate({ ...world, gateway }))
  const [prepared, prepareAgain] = timed(() => prepare([next]))
  // a thread of its own translates where there are clients: what that leaves behind is not theirs to wait for
  globalThis.gc?.()
  let compileMs = 0
  let applyMs = 0
  const stall = await watched(async () => {
    const begun = performance.now()
    const { artifact } = await engine.compileInTurns(prepared.plan)
    compileMs = performance.now() - begun
    await engine.apply(artifact)
    applyMs = performance.now() - begun - compileMs
  })
  again.translate = Math.max(again.translate, translateMs)
  again.prepare = Math.max(again.prepare, prepareAgain)
  again.compile = Math.max(again.compile, compileMs)
  again.apply = Math.max(again.apply, applyMs)
  stalls.push(stall)
}
stalls.sort((left, right) => left - right)
await engine.stop(0)

const routes = first.plan.model.routes.length
const figures: PlanFigures = {
  routes,
  translate,
  prepare: prepareMs,
  compile,
  apply,
  again,
  applyStall: stalls.at(-1) ?? Number.NaN,
  applyStallMedian: stalls[stalls.length >> 1] ?? Number.NaN,
  modelBytes: (afterModel - before) / routes,
  engineBytes: (afterCompile - afterModel) / routes,
}
process.stdout.write(JSON.stringify(figures), () => process.exit(0))

function timed<Value>(what: () => Value): readonly [Value, number] {
  const begun = performance.now()
  const value = what()
  return [value, performance.now() - begun]
}

/** The longest time between two turns of the event loop while it ran and 200 ms after, less what the system gave to others. */
async function watched(what: () => Promise<unknown>): Promise<number> {
  let last = performance.now()
  let before = waited()
  let longest = 0
  let watching = true
  const turn = (): void => {
    const now = performance.now()
    const waiting = waited()
    longest = Math.max(longest, now - last - (waiting - before))
    before = waiting
    last = performance.now()
    if (watching) setImmediate(turn)
  }
  setImmediate(turn)
  await new Promise((resolve) => setTimeout(resolve, 20))
  longest = 0
  await what()
  await new Promise((resolve) => setTimeout(resolve, 200))
  watching = false
  return longest
}

/** Milliseconds in which this thread could have run and another one did; 0 where the system does not say. */
function waited(): number {
  try {
    return Number(readFileSync('/proc/thread-self/schedstat', 'utf8').split(' ')[1]) / 1e6
  } catch {
    return 0
  }
}

function heap(): number {
  globalThis.gc?.()
  globalThis.gc?.()
  return process.memoryUsage().heapUsed
}
