/**
 * What plugins `require` although it is not theirs: `express-gateway/lib/…`, and packages that Express Gateway brought along
 * (express, passport). Found only where the plugin's own folders have nothing of that name.
 */
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import Module, { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { delimiter, dirname, join } from 'node:path'
import type { PluginConfig, PluginContext, PluginLogger } from './types.ts'

/** What the files of the shim hand out: that of the latest load. */
export interface ShimState {
  readonly services: PluginContext['services']
  readonly config: PluginConfig
  readonly eventBus: PluginContext['eventBus']
  logger(label: string): PluginLogger
}

const key = Symbol.for('gantry.express-gateway')
const read = `globalThis[Symbol.for('gantry.express-gateway')]`

/** Every file is a view of the state, so that a module which keeps it sees later loads too. */
const files: Readonly<Record<string, string>> = {
  'package.json': '{ "name": "express-gateway", "version": "1.16.11", "main": "lib/index.js" }\n',
  'lib/index.js': `module.exports = () => { throw new Error('the gateway runs already: it is Gantry that has loaded this plugin') }\n`,
  'lib/services/index.js': view('services'),
  'lib/config/index.js': view('config'),
  'lib/eventBus.js': view('eventBus'),
  'lib/logger.js':
    `const make = (label) => ${read}.logger(label)\n` +
    `module.exports = new Proxy({ createLoggerWithLabel: make }, { get: (own, name) => own[name] ?? make(String(name)) })\n`,
}

function view(name: keyof ShimState): string {
  return `module.exports = new Proxy({}, { get: (_, name) => { const value = ${read}.${name}[name]; return typeof value === 'function' ? value.bind(${read}.${name}) : value } })\n`
}

let folder: string | undefined

/**
 * Makes the fallback known to `require` of this process, once. Node looks there last, after every `node_modules` above the
 * file that asks. `_initPaths` is how NODE_PATH is read again; it has been there since Node 0.5 and has no public name.
 */
export function installShim(state: ShimState): void {
  ;(globalThis as Record<symbol, unknown>)[key] = state
  if (folder !== undefined) return
  const initialise = (Module as unknown as { _initPaths?: () => void })._initPaths
  if (initialise === undefined) return
  folder = mkdtempSync(join(tmpdir(), 'gantry-plugins-'))
  const made = folder
  process.once('exit', () => rmSync(made, { recursive: true, force: true }))
  for (const [name, text] of Object.entries(files)) {
    const file = join(made, 'express-gateway', name)
    mkdirSync(dirname(file), { recursive: true })
    writeFileSync(file, text)
  }
  const paths = [process.env['NODE_PATH'], made, ownModules()].filter((path) => path !== undefined && path !== '')
  const before = process.env['NODE_PATH']
  process.env['NODE_PATH'] = paths.join(delimiter)
  initialise.call(Module)
  // children that a plugin starts are not ours to change
  if (before === undefined) delete process.env['NODE_PATH']
  else process.env['NODE_PATH'] = before
}

/** The `node_modules` that holds our express. */
function ownModules(): string | undefined {
  const file = createRequire(import.meta.url).resolve('express/package.json')
  return dirname(dirname(file))
}
