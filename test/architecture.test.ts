/** The direction of imports, cycles, and first lines, over the files of src; and that each rule can fail. */
import { readdirSync, readFileSync } from 'node:fs'
import { join, posix } from 'node:path'
import { describe, expect, test } from 'vitest'

type Files = Readonly<Record<string, string>>

/** What each part of the house may see. Its own files always; `policies` as types by whoever stands above the model. */
const sees: Readonly<Record<string, readonly string[]>> = {
  model: [],
  lib: [],
  policies: ['lib', 'model'],
  pipeline: ['policies', 'lib', 'model'],
  sources: ['lib', 'model'],
  targets: ['pipeline', 'policies', 'lib', 'model'],
  consumers: ['policies', 'lib', 'model'],
  plugins: ['consumers', 'policies', 'lib', 'model'],
  fleet: ['pipeline', 'policies', 'lib', 'model'],
  stacks: ['lib', 'model'],
  kargo: ['consumers', 'policies', 'lib', 'model'],
  workers: ['targets', 'pipeline', 'policies', 'lib', 'model'],
  runtime: ['pipeline', 'policies', 'lib', 'model', 'consumers', 'plugins', 'fleet'],
  admin: ['runtime', 'consumers', 'plugins', 'pipeline', 'policies', 'lib', 'model', 'fleet'],
  cli: ['admin', 'runtime', 'consumers', 'plugins', 'pipeline', 'policies', 'lib', 'model', 'fleet', 'stacks'],
}

/** Parts in which no folder knows its sibling; what stands beside the folders, and `shared`, is for all of them. */
const apart = ['sources', 'targets', 'policies']

/** The shapes, which are types only, may be seen by everybody above. */
const shapes = ['src/sources/source.ts', 'src/targets/target.ts', 'src/policies/policy.ts', 'src/policies/services.ts']

/** They know everything: that is what they are for. Nobody imports them. */
const isTop = (file: string): boolean =>
  ['main', 'reading', 'serving', 'machine', 'controller', 'dispatcher', 'index', 'plugin'].some(
    (name) => file === `src/${name}.ts`,
  ) || file.startsWith('src/bin/')

function partOf(file: string): string {
  return file.split('/')[1] ?? ''
}

interface Import {
  readonly from: string
  readonly to: string
}

function importsOf(files: Files): readonly Import[] {
  const pattern = /(?:\bfrom\s*|\bimport\s*\(?\s*)['"](\.{1,2}\/[^'"]+)['"]/g
  return Object.entries(files).flatMap(([from, text]) =>
    [...text.matchAll(pattern)].map((found) => ({ from, to: posix.join(posix.dirname(from), found[1] ?? '') })),
  )
}

function wrongWays(files: Files): readonly string[] {
  return importsOf(files).flatMap(({ from, to }) => {
    const mistake = isTop(from) ? undefined : judge(from, to)
    return mistake === undefined ? [] : [`${from} imports ${to}: ${mistake}`]
  })
}

function judge(from: string, to: string): string | undefined {
  if (!to.startsWith('src/')) return 'it is outside of src'
  if (isTop(to) || to.split('/').length === 2) return 'only what nobody imports knows everything'
  const [part, other] = [partOf(from), partOf(to)]
  const allowed = sees[part]
  if (allowed === undefined) return `src/${part} is not in the plan of the house`
  if (part !== other) return allowed.includes(other) || shapes.includes(to) ? undefined : `${part} may not see ${other}`
  if (!apart.includes(part)) return undefined
  const [folder, otherFolder] = [from.split('/')[2], to.split('/')[2]]
  const common = to.split('/').length === 3 || otherFolder === 'shared' || from.split('/').length === 3
  return folder === otherFolder || common ? undefined : `${part} do not know their siblings`
}

/** Types may go round: they are gone when the program runs. */
function cycles(files: Files): readonly string[] {
  const graph = new Map<string, string[]>()
  for (const [from, text] of Object.entries(files)) {
    const running = text
      .replace(/\b(?:import|export)\s+type\b[^'"]*['"][^'"]+['"]/g, '')
      .replace(/\bimport\(['"][^'"]+['"]\)\./g, '')
    graph.set(
      from,
      importsOf({ [from]: running }).map(({ to }) => to),
    )
  }
  const found: string[] = []
  const done = new Set<string>()
  const visit = (file: string, above: readonly string[]): void => {
    const start = above.indexOf(file)
    if (start !== -1) found.push([...above.slice(start), file].join(' → '))
    if (start !== -1 || done.has(file)) return
    for (const next of graph.get(file) ?? []) visit(next, [...above, file])
    done.add(file)
  }
  for (const file of graph.keys()) visit(file, [])
  return found
}

/** What a file loads before its first line runs, and what that loads; types and what is loaded when it is needed aside. */
function loadedBy(start: string, files: Files): ReadonlySet<string> {
  const found = new Set<string>()
  const visit = (file: string): void => {
    if (found.has(file)) return
    found.add(file)
    const text = (files[file] ?? '')
      .replace(/\b(?:import|export)\s+type\b[^'"]*['"][^'"]+['"]/g, '')
      .replace(/\bimport\s*\(\s*['"][^'"]+['"]\s*\)/g, '')
    for (const { to } of importsOf({ [file]: text })) visit(to)
  }
  visit(start)
  return found
}

/** What a data plane has no use for: many of them start at the same time. */
function tooMuchToServe(files: Files): readonly string[] {
  return [...loadedBy('src/serving.ts', files)].filter((file) =>
    /^src\/(sources|admin\/express-gateway|cli\/eg)\//.test(file),
  )
}

function firstLines(files: Files): readonly string[] {
  return Object.entries(files).flatMap(([file, text]) => {
    const lines = text.split('\n')
    const first = lines[0]?.startsWith('#!') === true ? lines[1] : lines[0]
    return first?.startsWith('/**') === true
      ? []
      : [`${file} does not say in its first line what goes in and comes out`]
  })
}

const root = join(import.meta.dirname, '..')

function readSource(): Files {
  return Object.fromEntries(
    readdirSync(join(root, 'src'), { recursive: true, encoding: 'utf8' })
      .map((name) => `src/${name.replaceAll('\\', '/')}`)
      .filter(
        (name) =>
          name.endsWith('.ts') &&
          !/\.test(?:-[a-z]+)?\.ts$|\/(?:fixtures|testing)\/|\/testing\.ts$|\.d\.ts$/.test(name),
      )
      .sort()
      .map((name) => [name, readFileSync(join(root, name), 'utf8')]),
  )
}

describe('src', () => {
  const files = readSource()
  test('is read', () => expect(Object.keys(files).length).toBeGreaterThan(20))
  test('imports point down', () => expect(wrongWays(files)).toEqual([]))
  test('imports do not go round', () => expect(cycles(files)).toEqual([]))
  test('what only serves loads no source', () => {
    expect(loadedBy('src/serving.ts', files).size).toBeGreaterThan(50)
    expect(tooMuchToServe(files)).toEqual([])
  })
  test('first lines say what goes in and what comes out', () => expect(firstLines(files)).toEqual([]))
})

describe('each rule can fail', () => {
  const line = (to: string): string => `/** x */\nimport { a } from '${to}'\n`
  test.each([
    ['src/model/a.ts', '../lib/b.ts', 'model may not see lib'],
    ['src/lib/a.ts', '../model/b.ts', 'lib may not see model'],
    ['src/policies/cors/policy.ts', '../jwt/policy.ts', 'siblings'],
    ['src/policies/cors/policy.ts', '../../pipeline/plan.ts', 'policies may not see pipeline'],
    ['src/pipeline/a.ts', '../targets/engine/b.ts', 'pipeline may not see targets'],
    ['src/sources/pods/a.ts', '../express-gateway/b.ts', 'siblings'],
    ['src/sources/pods/a.ts', '../../policies/cors/policy.ts', 'sources may not see policies'],
    ['src/targets/nginx/a.ts', '../engine/b.ts', 'siblings'],
    ['src/targets/nginx/a.ts', '../../sources/pods/b.ts', 'targets may not see sources'],
    ['src/runtime/a.ts', '../sources/pods/b.ts', 'runtime may not see sources'],
    ['src/runtime/a.ts', '../admin/b.ts', 'runtime may not see admin'],
    ['src/cli/a.ts', '../targets/engine/b.ts', 'cli may not see targets'],
    ['src/cli/a.ts', '../main.ts', 'knows everything'],
    ['src/new/a.ts', '../model/b.ts', 'not in the plan'],
    ['src/lib/a.ts', '../../bench/b.ts', 'outside'],
  ])('%s importing %s', (from, to, why) => {
    expect(wrongWays({ [from]: line(to) })).toEqual([expect.stringContaining(why)])
    expect(wrongWays({ [from]: line(to).replace('import {', 'export {') })).toHaveLength(1)
    expect(wrongWays({ [from]: `/** x */\nconst a = await import('${to}')` })).toHaveLength(1)
  })

  test.each([
    ['src/main.ts', './sources/pods/a.ts'],
    ['src/bin/gantry.ts', '../targets/engine/a.ts'],
    ['src/targets/engine/a.ts', '../target.ts'],
    ['src/targets/engine/a.ts', '../../pipeline/plan.ts'],
    ['src/policies/cors/policy.ts', '../shared/schema.ts'],
    ['src/cli/a.ts', '../sources/source.ts'],
  ])('%s may import %s', (from, to) => expect(wrongWays({ [from]: line(to) })).toEqual([]))

  test('cycles', () => {
    const round = { 'src/lib/a.ts': line('./b.ts'), 'src/lib/b.ts': line('./a.ts') }
    expect(cycles(round)).toEqual(['src/lib/a.ts → src/lib/b.ts → src/lib/a.ts'])
    expect(cycles({ ...round, 'src/lib/b.ts': line('./a.ts').replace('import {', 'import type {') })).toEqual([])
  })

  test('what is loaded to serve', () => {
    const files = { 'src/serving.ts': line('./machine.ts'), 'src/machine.ts': line('./sources/pods/a.ts') }
    expect(tooMuchToServe(files)).toEqual(['src/sources/pods/a.ts'])
    for (const later of [
      "/** x */\nawait import('./sources/pods/a.ts')",
      "/** x */\nimport type { A } from './sources/pods/a.ts'",
    ])
      expect(tooMuchToServe({ ...files, 'src/machine.ts': later })).toEqual([])
  })

  test('first lines', () => {
    expect(firstLines({ 'src/a.ts': 'const a = 1' })).toHaveLength(1)
    expect(firstLines({ 'src/a.ts': '#!/usr/bin/env node\n/** x */' })).toEqual([])
    expect(firstLines({ 'src/a.ts': '#!/usr/bin/env node\nconst a = 1' })).toHaveLength(1)
  })
})
