/** A configuration file → its value, and where each part of it stands. Pure. */
import { isAlias, isMap, isPair, isScalar, isSeq, LineCounter, parseDocument } from 'yaml'
import type { Document as YamlDocument, Node, Pair, YAMLMap } from 'yaml'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import { interpolate } from './interpolate.ts'
import type { TextFile, World } from './world.ts'

export type Path = readonly (string | number)[]

export interface Document {
  readonly file: string
  /** Plain data; a `!!js/regexp` is a RegExp. Undefined where the file could not be parsed. */
  readonly value: unknown
  readonly diagnostics: readonly Diagnostic[]
  /** Where the deepest part of the path that exists is said. */
  origin(path: Path, object?: string): Origin
}

export const sourceName = 'express-gateway'

export function parseFile(file: TextFile, environment: World['environment']): Document {
  if (file.kind !== 'text') {
    const reason = file.kind === 'missing' ? 'there is no such file' : file.reason
    const origin: Origin = { source: sourceName, file: file.name }
    return {
      file: file.name,
      value: undefined,
      diagnostics: [
        {
          code: 'express-gateway/unreadable',
          severity: 'error',
          message: `${file.name} cannot be read: ${reason}`,
          hint: 'what was read before serves on until the file is there again',
          origin,
        },
      ],
      origin: () => origin,
    }
  }
  return parseText(file.name, file.text, environment)
}

function parseText(file: string, text: string, environment: World['environment']): Document {
  const interpolated = interpolate(text, environment)
  const lines = new LineCounter()
  lines.addNewLine(0)
  for (let at = text.indexOf('\n'); at !== -1; at = text.indexOf('\n', at + 1)) lines.addNewLine(at + 1)
  const at = (originalOffset: number, more: Partial<Origin> = {}): Origin => {
    const { line, col } = lines.linePos(originalOffset)
    return { source: sourceName, ...more, file, line, column: col }
  }

  const diagnostics: Diagnostic[] = interpolated.unknown.map(({ name, offset }) => ({
    code: 'express-gateway/unknown-variable',
    severity: 'warning',
    message: `${file}: the variable ${name} is not set; null stands in its place`,
    hint: `set ${name}, or write \${${name}:-default}; a template that must stay as it is needs a character that no name has, as in \${${name}.toString()}`,
    origin: at(offset),
  }))

  const document = parseDocument(interpolated.text, {
    version: '1.2',
    schema: 'core',
    merge: true,
    customTags: jsTags,
    uniqueKeys: true,
  })
  for (const problem of document.errors) {
    diagnostics.push({
      code: 'express-gateway/yaml',
      severity: 'error',
      message: `${file} is not YAML: ${firstLine(problem.message)}`,
      origin: at(interpolated.original(problem.pos[0])),
    })
  }
  for (const problem of document.warnings) {
    diagnostics.push({
      code: 'express-gateway/yaml',
      severity: 'error',
      message: `${file}: ${firstLine(problem.message)}`,
      origin: at(interpolated.original(problem.pos[0])),
    })
  }
  const value = document.errors.length > 0 ? undefined : (document.toJS({ maxAliasCount: 1000 }) as unknown)
  if (document.errors.length === 0 && (value === null || value === undefined)) {
    diagnostics.push({
      code: 'express-gateway/empty',
      severity: 'error',
      message: `${file} is empty`,
      origin: at(0),
    })
  }
  return {
    file,
    value,
    diagnostics,
    origin(path, object) {
      const field = printPath(path)
      return at(interpolated.original(offsetOf(document, path)), {
        ...(object === undefined ? {} : { object }),
        ...(field === '' ? {} : { field }),
      })
    },
  }
}

/** `pipelines.api.policies[1].proxy`. */
export function printPath(path: Path): string {
  let text = ''
  for (const part of path) {
    if (typeof part === 'number') text += `[${part}]`
    else if (/^[\w-]+$/.test(part)) text += text === '' ? part : `.${part}`
    else text += `['${part}']`
  }
  return text
}

function firstLine(text: string): string {
  return text.split('\n')[0]?.replace(/ at line \d+, column \d+:?$/, '') ?? text
}

function offsetOf(document: YamlDocument.Parsed, path: Path): number {
  let node: unknown = document.contents
  let offset = document.contents?.range?.[0] ?? 0
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document)
    let next: unknown
    if (isMap(node)) {
      const pair = pairsOf(node).get(String(part))
      if (pair !== undefined) {
        offset = (pair.key as Node).range?.[0] ?? offset
        next = pair.value
      }
    } else if (isSeq(node) && typeof part === 'number') {
      next = node.items[part]
      offset = (next as Node | undefined)?.range?.[0] ?? offset
    }
    if (next === undefined || next === null) break
    node = next
  }
  return offset
}

/** A mapping may have ten thousand keys, and each of them is looked for. */
const pairIndex = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  let index = pairIndex.get(map)
  if (index === undefined) {
    const pairs = new Map<string, Pair>()
    for (const pair of map.items) if (isPair(pair) && isScalar(pair.key)) pairs.set(String(pair.key.value), pair)
    index = pairs
    pairIndex.set(map, index)
  }
  return index
}

/** Of JavaScript's own tags only the regular expression is data; a function would be code that runs on reading. */
const jsTags = [
  {
    tag: 'tag:yaml.org,2002:js/regexp',
    resolve(text: string, onError: (message: string) => void): unknown {
      const found = /^\/(.*)\/([a-z]*)$/s.exec(text)
      try {
        return found === null ? new RegExp(text) : new RegExp(found[1] ?? '', found[2])
      } catch (error) {
        onError(error instanceof Error ? error.message : String(error))
        return null
      }
    },
  },
  { tag: 'tag:yaml.org,2002:js/undefined', resolve: (): unknown => undefined },
  {
    tag: 'tag:yaml.org,2002:js/function',
    resolve(_text: string, onError: (message: string) => void): unknown {
      onError('a function in the configuration is code that would run on reading; it is refused')
      return null
    },
  },
]
