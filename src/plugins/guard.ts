/** Code of plugins → run so that whatever goes wrong, now or later, is known to be theirs. */
import { AsyncLocalStorage } from 'node:async_hooks'
import { fileURLToPath } from 'node:url'

/**
 * Which plugin is running; inherited by its timers, sockets and promises. Used from the first plugin on only, since on
 * Node 20 it makes every promise of the process dearer (0.15 µs each; nothing on Node 24 and later).
 */
const running = new AsyncLocalStorage<string>()

export type Report = (plugin: string, error: unknown) => void

/** Runs `code` as that plugin. What it throws at once is thrown to the caller. */
export function runAs<T>(plugin: string, code: () => T): T {
  return running.run(plugin, code)
}

/** The plugin whose code runs now, or whose timer or socket has called. */
export function currentPlugin(): string | undefined {
  return running.getStore()
}

const blamed = new WeakMap<object, string>()

/** Notes whose error this is, for an error that passes through code of others (Express) before it is met. */
export function blame(plugin: string, error: unknown): void {
  if (typeof error === 'object' && error !== null && !blamed.has(error)) blamed.set(error, plugin)
}

/** Whose error it is: who was blamed for it, else whose code runs. */
export function culprit(error: unknown): string | undefined {
  return (typeof error === 'object' && error !== null ? blamed.get(error) : undefined) ?? currentPlugin()
}

/** Runs listeners of plugins: what they throw is reported, and nobody else is hurt. */
export function guarded(report: Report, plugin: string, code: () => unknown): void {
  try {
    const result = running.run(plugin, code)
    if (result instanceof Promise) result.catch((error: unknown) => report(plugin, error))
  } catch (error) {
    report(plugin, error)
  }
}

/**
 * Errors that nobody caught: those of a plugin are reported and the process goes on; all others end it as without us.
 * It goes on only where no code of ours stands on the stack that the error has unwound: then nothing of ours was left
 * half done. Returns the way back.
 */
export function catchLateErrors(
  report: Report,
  hosts: Pick<NodeJS.Process, 'on' | 'off' | 'exit' | 'listenerCount'> = process,
): () => void {
  const uncaught = (error: unknown, origin: string): void => {
    const plugin = currentPlugin()
    if (plugin !== undefined && !unwoundOurs(error)) return report(plugin, error)
    if (hosts.listenerCount(origin === 'unhandledRejection' ? 'unhandledRejection' : 'uncaughtException') > 1) return
    process.stderr.write(`${error instanceof Error ? (error.stack ?? error.message) : String(error)}\n`)
    hosts.exit(1)
  }
  const onException = (error: unknown): void => uncaught(error, 'uncaughtException')
  const onRejection = (error: unknown): void => uncaught(error, 'unhandledRejection')
  hosts.on('uncaughtException', onException)
  hosts.on('unhandledRejection', onRejection)
  return () => {
    hosts.off('uncaughtException', onException)
    hosts.off('unhandledRejection', onRejection)
  }
}

// dist/ or src/: the folder above this one
const ours = fileURLToPath(new URL('../', import.meta.url))
const pluginCallers = fileURLToPath(new URL('./', import.meta.url))

/** Are there frames of ours, other than those of this folder, which expect plugins to throw? */
function unwoundOurs(error: unknown): boolean {
  const stack = error instanceof Error ? (error.stack ?? '') : ''
  return stack
    .split('\n')
    .slice(1)
    .some((frame) => frame.includes(ours) && !frame.includes(pluginCallers) && !frame.includes('node_modules'))
}
