/** A plugin's entry → the module that it names, loaded. */
import { createRequire } from 'node:module'
import { dirname, isAbsolute, join, parse } from 'node:path'
import { pathToFileURL } from 'node:url'
import type { PluginWish } from '../sources/source.ts'

const prefix = 'express-gateway-plugin-'

/** What is asked for: `package` as written, else the name with Express Gateway's prefix. */
export function moduleName(wish: PluginWish): string {
  if (wish.package !== undefined && wish.package !== '') return wish.package
  return wish.name.startsWith(prefix) ? wish.name : prefix + wish.name
}

/**
 * The file. Names are looked up in `node_modules` of the configuration's folder and of every folder above it, then of the
 * working directory; relative paths against the configuration's folder, then against each folder above it (a project
 * keeps its configuration in `config/` and its plugins beside that), then the working directory. Undefined: nowhere.
 */
export function resolveModule(wish: PluginWish, cwd = process.cwd()): string | undefined {
  const name = moduleName(wish)
  for (const folder of isRelative(name) ? [...upwards(wish.from), cwd] : [wish.from, cwd]) {
    try {
      return createRequire(join(folder, 'gantry.js')).resolve(name)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'MODULE_NOT_FOUND') throw error
    }
  }
  return undefined
}

/** Runs the module and gives what it exports: CommonJS at once, or the promise of an ES module. */
export function loadModule(file: string): unknown {
  try {
    return createRequire(file)(file) as unknown
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException
    if (code !== 'ERR_REQUIRE_ESM' && code !== 'ERR_REQUIRE_ASYNC_MODULE') throw error
    return import(pathToFileURL(file).href)
  }
}

function isRelative(name: string): boolean {
  return /^\.\.?(\/|$)/.test(name) && !isAbsolute(name)
}

function upwards(folder: string): string[] {
  const folders = [folder]
  const { root } = parse(folder)
  for (let at = folder; at !== root;) {
    at = dirname(at)
    folders.push(at)
  }
  return folders
}
