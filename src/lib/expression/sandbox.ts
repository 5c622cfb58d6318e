/** Text of the user's JavaScript → its value, in QuickJS: no host object is reachable, memory and time are limited. */
import {
  newQuickJSWASMModule,
  newVariant,
  type QuickJSContext,
  type QuickJSHandle,
  type QuickJSRuntime,
  type QuickJSWASMModule,
  RELEASE_SYNC,
} from 'quickjs-emscripten'
import { prelude } from './prelude.ts'

export type Kind = 'expression' | 'template' | 'program'

export interface SandboxLimits {
  /** Of the whole sandbox, bytes. */
  readonly memory: number
  /** For one evaluation, milliseconds. */
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

/** Node has it; the types of Node 20 do not name it. */
const { Memory } = (globalThis as unknown as { readonly WebAssembly: { readonly Memory: MemoryConstructor } })
  .WebAssembly
type MemoryConstructor = new (pages: {
  readonly initial: number
  readonly maximum: number
}) => NonNullable<NonNullable<Parameters<typeof newVariant>[1]>['wasmMemory']>

export async function createSandbox(limits: SandboxLimits): Promise<Sandbox> {
  // in WebAssembly QuickJS counts eight bytes for whatever it allocates: only the memory itself can hold the limit
  const wasmMemory = new Memory({ initial: FLOOR, maximum: FLOOR + Math.ceil(limits.memory / PAGE) })
  const module = await newQuickJSWASMModule(newVariant(RELEASE_SYNC, { wasmMemory }))
  const units = new Map<string, Unit>()
  let machine = start(module, limits)
  let disposed = false

  return {
    unit(kind, source) {
      const key = `${kind} ${source}`
      let unit = units.get(key)
      if (unit === undefined) {
        unit = { kind, source }
        machine.compile(unit)
        units.set(key, unit)
      }
      return unit
    },
    run(unit, state, { effects }) {
      try {
        return machine.run(unit, state, effects === 'none' ? 0 : 1)
      } catch (error) {
        if (error instanceof ExpressionError && error.kind === 'memory') {
          // what is left of it cannot be trusted to work: everybody gets a new one
          machine.dispose()
          machine = start(module, limits)
        }
        throw error
      }
    },
    release(key) {
      if (!disposed) machine.release(key)
    },
    dispose() {
      disposed = true
      machine.dispose()
    },
  }
}

/** Bytes of a page of WebAssembly, and the pages that the module starts with: stack, constants, the first heap. */
const PAGE = 65_536
const FLOOR = 256

interface Machine {
  compile(unit: Unit): number
  run(unit: Unit, state: string, mode: number): string
  release(key: number): void
  dispose(): void
}

function start(module: QuickJSWASMModule, limits: SandboxLimits): Machine {
  const runtime: QuickJSRuntime = module.newRuntime()
  runtime.setMemoryLimit(limits.memory)
  runtime.setMaxStackSize(256 * 1024)
  let deadline = Number.POSITIVE_INFINITY
  runtime.setInterruptHandler(() => performance.now() > deadline)
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
      deadline = performance.now() + limits.time
      try {
        const result = context.callFunction(runFunction, context.undefined, index, text, how)
        if (result.error !== undefined) throw thrown(result.error)
        const encoded = context.getString(result.value)
        result.value.dispose()
        if (runtime.hasPendingJob()) finishJobs()
        return encoded
      } finally {
        deadline = Number.POSITIVE_INFINITY
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
    deadline = performance.now() + limits.time
    try {
      const result = context.callFunction(compileFunction, context.undefined, kind, source)
      if (result.error !== undefined) {
        const error = thrown(result.error)
        throw error.kind === 'thrown' ? new SyntaxError(error.message.replace(/^SyntaxError: /, '')) : error
      }
      indexes.set(unit, result.value)
      return context.getNumber(result.value)
    } finally {
      deadline = Number.POSITIVE_INFINITY
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
      return new ExpressionError('time', `the expression took longer than ${limits.time} ms and was stopped`)
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
