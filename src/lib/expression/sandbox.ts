/** Text of the user's JavaScript → its value, in QuickJS: no host object is reachable, memory and time are limited. */
import { readFile } from 'node:fs/promises'
import { createRequire } from 'node:module'
import {
  newQuickJSWASMModule,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSWASMModule,
  RELEASE_SYNC,
} from 'quickjs-emscripten'
import { ASKS, meter } from './meter.ts'
import { prelude } from './prelude.ts'

export type Kind = 'expression' | 'template' | 'program'

export interface SandboxLimits {
  /** Of the whole sandbox, bytes. */
  readonly memory: number
  /** For one evaluation, milliseconds of the processor; what does not end by itself then is ended by force at twice that. */
  readonly time: number
}

/** What the user's code threw, or the limit that it ran into. */
export class ExpressionError extends Error {
  readonly kind: 'thrown' | 'time' | 'memory'
  constructor(kind: ExpressionError['kind'], message: string) {
    super(message)
    this.name = 'ExpressionError'
    this.kind = kind
  }
}

/** A program that is known to the sandbox; survives its rebuilding. */
export interface Unit {
  readonly kind: Kind
  readonly source: string
}

export interface Sandbox {
  /** Throws a SyntaxError. The same text of the same kind is compiled once. */
  unit(kind: Kind, source: string): Unit
  /** `state` is JSON; `effects: 'none'` promises that the code only reads. The result is the prelude's encoding. */
  run(unit: Unit, state: string, options: { readonly effects: 'none' | 'some' }): string
  release(key: number): void
  dispose(): void
}

export async function createSandbox(limits: SandboxLimits): Promise<Sandbox> {
  const units = new Map<string, Unit>()
  let instance = await makeInstance(limits)
  let machine: Machine | undefined = start(instance, limits)
  let spare: Instance | undefined
  let disposed = false

  /** Made while nothing is wrong, so that who comes after one that had to be stopped need not wait. */
  const prepare = (): void => {
    makeInstance(limits).then(
      (made) => {
        if (disposed) return
        if (machine !== undefined) spare = made
        else {
          instance = made
          machine = start(made, limits)
          prepare()
        }
      },
      () => undefined, // no memory for another one now: whoever needs it asks again, and is told
    )
  }
  prepare()

  /** What was stopped in the middle of a step, or has broken, is in no state to be used: it is left as it lies. */
  const replace = (): void => {
    machine = undefined
    if (spare !== undefined) {
      instance = spare
      machine = start(instance, limits)
      spare = undefined
    }
    prepare()
  }

  const guarded = <T>(use: (machine: Machine) => T): T => {
    if (machine === undefined) {
      prepare()
      throw new ExpressionError('time', 'other code had to be stopped; the sandbox is being made again')
    }
    try {
      return use(machine)
    } catch (error) {
      if (error instanceof SyntaxError) throw error
      if (!(error instanceof ExpressionError)) {
        const { stopped } = instance.clock
        replace()
        throw stopped ? new ExpressionError('time', tooLong(limits)) : error
      }
      if (error.kind === 'memory') {
        // what is left of it cannot be trusted to work: everybody gets a new one
        machine.dispose()
        machine = start(instance, limits)
      }
      throw error
    }
  }

  return {
    unit(kind, source) {
      const key = `${kind} ${source}`
      let unit = units.get(key)
      if (unit === undefined) {
        const made: Unit = { kind, source }
        guarded((now) => now.compile(made))
        units.set(key, (unit = made))
      }
      return unit
    },
    run: (unit, state, { effects }) => guarded((now) => now.run(unit, state, effects === 'none' ? 0 : 1)),
    release(key) {
      if (!disposed) machine?.release(key)
    },
    dispose() {
      disposed = true
      machine?.dispose()
    },
  }
}

function tooLong({ time }: SandboxLimits): string {
  return `the expression took longer than ${time} ms and was stopped`
}

/** Bytes of a page of WebAssembly, and the pages that the module starts with: stack, constants, the first heap. */
const PAGE = 65_536
const FLOOR = 256

/** One memory and what runs in it. */
interface Instance {
  readonly module: QuickJSWASMModule
  readonly clock: Clock
}

/** How long the code that runs now has had the processor: on a busy machine a moment that others have had does not count. */
class Clock {
  /** It was ended by force. */
  stopped = false
  #begun = Number.POSITIVE_INFINITY
  #usage = NO_USAGE

  start(): void {
    this.#usage = process.cpuUsage()
    this.#begun = performance.now()
  }

  end(): void {
    this.#begun = Number.POSITIVE_INFINITY
  }

  hasHad(ms: number): boolean {
    if (performance.now() - this.#begun < ms) return false
    const { user, system } = process.cpuUsage(this.#usage)
    return user + system >= ms * 1000
  }
}

const NO_USAGE = { user: 0, system: 0 }

async function makeInstance(limits: SandboxLimits): Promise<Instance> {
  const { code, question } = await (metered ??= readMetered())
  const clock = new Clock()
  // the interpreter has its time once more to notice by itself that it is over, which leaves it whole
  const mayGoOn = (): void => {
    if (!clock.stopped && !clock.hasHad(limits.time * 2)) return
    clock.stopped = true
    // through the interpreter, in the middle of whatever it does
    throw new Error('stopped')
  }
  // in WebAssembly QuickJS counts eight bytes for whatever it allocates: only the memory itself can hold the limit
  const wasmMemory = new WebAssembly.Memory({ initial: FLOOR, maximum: FLOOR + Math.ceil(limits.memory / PAGE) })
  const instantiateWasm = (imports: Imports, done: (instance: object) => void): object => {
    const [from, name] = question
    const original = imports[from]?.[name] as (...given: unknown[]) => unknown
    const asked = (first: unknown, ...rest: unknown[]): unknown =>
      first === ASKS ? mayGoOn() : original(first, ...rest)
    done(new WebAssembly.Instance(code, { ...imports, [from]: { ...imports[from], [name]: asked } }))
    return {}
  }
  const module = await newQuickJSWASMModule(
    newVariant(RELEASE_SYNC, { wasmMemory, emscriptenModule: { instantiateWasm } as Loader }),
  )
  return { module, clock }
}

/** The interpreter, made so that it can be stopped; compiled once for all. */
let metered: Promise<{ readonly code: object; readonly question: readonly [string, string] }> | undefined

async function readMetered() {
  const near = createRequire(createRequire(import.meta.url).resolve('quickjs-emscripten'))
  const { bytes, question } = meter(await readFile(near.resolve('@jitl/quickjs-wasmfile-release-sync/wasm')))
  return { code: await WebAssembly.compile(bytes), question }
}

type Imports = Readonly<Record<string, Readonly<Record<string, unknown>>>>
type Options = NonNullable<Parameters<typeof newVariant>[1]>
type Loader = NonNullable<Options['emscriptenModule']>

/** Node has it; the types of Node 20 do not name it. */
const { WebAssembly } = globalThis as unknown as {
  readonly WebAssembly: {
    readonly Memory: new (pages: {
      readonly initial: number
      readonly maximum: number
    }) => NonNullable<Options['wasmMemory']>
    readonly Instance: new (code: object, imports: Imports) => object
    compile(bytes: Uint8Array): Promise<object>
  }
}

interface Machine {
  compile(unit: Unit): number
  run(unit: Unit, state: string, mode: number): string
  release(key: number): void
  dispose(): void
}

function start({ module, clock }: Instance, limits: SandboxLimits): Machine {
  const runtime: QuickJSRuntime = module.newRuntime()
  runtime.setMemoryLimit(limits.memory)
  runtime.setMaxStackSize(256 * 1024)
  runtime.setInterruptHandler(() => clock.hasHad(limits.time))
  const context: QuickJSContext = runtime.newContext()
  const host = context.unwrapResult(context.evalCode(prelude, 'prelude.js'))
  const compileFunction = context.getProp(host, 'compile')
  const runFunction = context.getProp(host, 'run')
  const releaseFunction = context.getProp(host, 'release')
  const indexes = new Map<Unit, QuickJSHandle>()

  return {
    compile,
    run(unit, state, mode) {
      let index = indexes.get(unit)
      if (index === undefined) {
        compile(unit)
        index = indexes.get(unit)
        if (index === undefined) throw new Error('a unit was not compiled')
      }
      const text = context.newString(state)
      const how = context.newNumber(mode)
      clock.start()
      try {
        const result = context.callFunction(runFunction, context.undefined, index, text, how)
        if (result.error !== undefined) throw thrown(result.error)
        const encoded = context.getString(result.value)
        result.value.dispose()
        if (runtime.hasPendingJob()) finishJobs()
        return encoded
      } finally {
        clock.end()
        text.dispose()
        how.dispose()
      }
    },
    release(key) {
      const handle = context.newNumber(key)
      context.callFunction(releaseFunction, context.undefined, handle).dispose()
      handle.dispose()
    },
    dispose() {
      for (const handle of [...indexes.values(), compileFunction, runFunction, releaseFunction, host]) handle.dispose()
      context.dispose()
      runtime.dispose()
    },
  }

  function compile(unit: Unit): number {
    const kind = context.newString(unit.kind)
    const source = context.newString(unit.source)
    clock.start()
    try {
      const result = context.callFunction(compileFunction, context.undefined, kind, source)
      if (result.error !== undefined) {
        const error = thrown(result.error)
        throw error.kind === 'thrown' ? new SyntaxError(error.message.replace(/^SyntaxError: /, '')) : error
      }
      indexes.set(unit, result.value)
      return context.getNumber(result.value)
    } finally {
      clock.end()
      kind.dispose()
      source.dispose()
    }
  }

  /** Promises that the code has made run now, within the same time; nobody waits for them later. */
  function finishJobs(): void {
    const result = runtime.executePendingJobs(1000)
    if (result.error !== undefined) result.error.dispose()
    else result.dispose()
  }

  function thrown(handle: QuickJSHandle): ExpressionError {
    const dumped: unknown = context.dump(handle)
    handle.dispose()
    if (typeof dumped !== 'object' || dumped === null) return new ExpressionError('thrown', String(dumped))
    const { name, message } = dumped as { readonly name?: unknown; readonly message?: unknown }
    if (name === 'InternalError' && message === 'interrupted') {
      return new ExpressionError('time', tooLong(limits))
    }
    if (name === 'InternalError' && message === 'out of memory') {
      return new ExpressionError('memory', `expressions together took more than ${limits.memory} bytes`)
    }
    if (typeof name === 'string' && typeof message === 'string') {
      return new ExpressionError('thrown', message === '' ? name : `${name}: ${message}`)
    }
    return new ExpressionError('thrown', JSON.stringify(dumped))
  }
}
