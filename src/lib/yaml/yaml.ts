/** YAML or JSON text → plain values with positions, and what is wrong with it. Pure; no tag runs code. */
import {
  Composer,
  isAlias,
  isMap,
  isNode,
  isScalar,
  isSeq,
  LineCounter,
  Parser,
  type CST,
  type Document,
  type Pair,
  type Scalar,
  type ScalarTag,
  type Tags,
  type YAMLMap,
  visit,
} from 'yaml'

export type Path = readonly (string | number)[]

/** 1-based. */
export interface Position {
  readonly line: number
  readonly column: number
}

export interface YamlMistake extends Position {
  readonly message: string
  readonly severity: 'error' | 'warning'
}

export interface YamlDocument {
  /** Undefined where the document could not be read; null for an empty one. */
  readonly value: unknown
  /** Of the key or item, or of the deepest part of the path that exists. */
  at(path: Path): Position
}

export interface YamlOptions {
  /**
   * `core`: YAML 1.2. `1.1`: `yes` is true, `0777` octal, `1:30` sexagesimal. `js-yaml-3`: as that library reads: 1.1,
   * except that only true and false are booleans.
   */
  readonly schema?: 'core' | '1.1' | 'js-yaml-3'
  /** Characters; default 16 Mi. */
  readonly limit?: number
  /** How many nodes aliases may stand for; default 10,000. More is a bomb. */
  readonly aliases?: number
}

/** All documents of the text; those that are empty are null. A text with an error gives undefined for that document only. */
export function parseYaml(
  text: string,
  options: YamlOptions = {},
): { readonly documents: readonly YamlDocument[]; readonly mistakes: readonly YamlMistake[] } {
  const { schema = 'core', limit = 16 * 1024 * 1024, aliases = 10_000 } = options
  const refuse = (message: string): ReturnType<typeof parseYaml> => ({
    documents: [],
    mistakes: [{ message, severity: 'error', line: 1, column: 1 }],
  })
  if (text.length > limit) return refuse(`longer than ${limit} characters`)
  const lines = new LineCounter()
  const tokens = [...new Parser(lines.addNewLine).parse(text)]
  // composing is recursive, and a stack that overflows inside a regular expression ends the process
  if (depthOf(tokens) > 500) return refuse('nested more than 500 levels deep')
  const composer = new Composer({
    version: schema === 'core' ? '1.2' : '1.1',
    merge: true,
    logLevel: 'error',
    // the library compares each key with all before it: ten thousand keys took seconds
    uniqueKeys: false,
    customTags: (tags) => customTags(tags, schema),
  })
  const parsed = [...composer.compose(tokens)]
  const mistakes: YamlMistake[] = []
  const documents = parsed.map((document): YamlDocument => {
    const position = (offset: number): Position => positionOf(lines, offset)
    for (const { message, pos } of document.errors) {
      mistakes.push({ message, severity: 'error', ...position(pos[0]) })
    }
    const repeated = repeatedKeys(document)
    for (const offset of repeated) {
      mistakes.push({ message: 'Map keys must be unique', severity: 'error', ...position(offset) })
    }
    for (const { message, pos } of document.warnings) {
      mistakes.push({ message, severity: 'warning', ...position(pos[0]) })
    }
    return {
      value: document.errors.length + repeated.length > 0 ? undefined : valueOf(document, aliases, mistakes, position),
      at: (path) => position(offsetOf(document, path)),
    }
  })
  return { documents, mistakes }
}

/** Where a key stands that its map has already. */
function repeatedKeys(document: Document.Parsed): readonly number[] {
  const found: number[] = []
  visit(document, {
    Map: (_, map) => {
      const seen = new Set<unknown>()
      for (const { key } of map.items) {
        const value: unknown = isScalar(key) ? key.value : key
        if (seen.has(value)) found.push(isNode(key) ? (key.range?.[0] ?? 0) : 0)
        seen.add(value)
      }
    },
  })
  return found
}

function depthOf(tokens: readonly CST.Token[]): number {
  let deepest = 0
  const work: { readonly token: CST.Token; readonly depth: number }[] = tokens.map((token) => ({ token, depth: 0 }))
  for (let next = work.pop(); next !== undefined; next = work.pop()) {
    const { token } = next
    const depth = next.depth + 1
    deepest = Math.max(deepest, depth)
    if ('items' in token) {
      for (const { key, value } of token.items) {
        if (key !== undefined && key !== null) work.push({ token: key, depth })
        if (value !== undefined) work.push({ token: value, depth })
      }
    } else if (token.type === 'document' && token.value !== undefined) work.push({ token: token.value, depth })
  }
  return deepest
}

function positionOf(lines: LineCounter, offset: number): Position {
  const { line, col } = lines.linePos(offset)
  return { line: Math.max(1, line), column: Math.max(1, col) }
}

function valueOf(
  document: Document.Parsed,
  aliases: number,
  mistakes: YamlMistake[],
  position: (offset: number) => Position,
): unknown {
  try {
    return document.toJS({ maxAliasCount: aliases }) as unknown
  } catch (error) {
    // an alias to nothing, or a bomb; the library's only other throw is of a merge key over what is no map
    if (!(error instanceof ReferenceError) && !(error instanceof Error && error.message.startsWith('Merge sources')))
      throw error
    const { message } = error
    mistakes.push({ message, severity: 'error', ...position(document.range[0]) })
    return undefined
  }
}

function offsetOf(document: Document.Parsed, path: Path): number {
  let node: unknown = document.contents
  let offset = isNode(node) ? (node.range?.[0] ?? 0) : document.range[0]
  for (const part of path) {
    if (isAlias(node)) node = node.resolve(document)
    if (isMap(node)) {
      const pair = pairsOf(node).get(String(part))
      if (pair === undefined) return offset
      if (isNode(pair.key)) offset = pair.key.range?.[0] ?? offset
      node = pair.value
    } else if (isSeq(node)) {
      const item: unknown = node.items[Number(part)]
      if (item === undefined) return offset
      if (isNode(item)) offset = item.range?.[0] ?? offset
      node = item
    } else return offset
  }
  return offset
}

/** A mapping may have ten thousand keys, and each of them be asked for. */
const pairs = new WeakMap<YAMLMap, ReadonlyMap<string, Pair>>()

function pairsOf(map: YAMLMap): ReadonlyMap<string, Pair> {
  let known = pairs.get(map)
  if (known === undefined) {
    const byKey = new Map<string, Pair>()
    for (const pair of map.items) {
      const key = isScalar(pair.key) ? String(pair.key.value) : String(pair.key)
      if (!byKey.has(key)) byKey.set(key, pair)
    }
    known = byKey
    pairs.set(map, known)
  }
  return known
}

// --- tags ------------------------------------------------------------------------------------------------------------

function customTags(tags: Tags, schema: YamlOptions['schema']): Tags {
  const isBool = (tag: Tags[number]): boolean => typeof tag !== 'string' && tag.tag === 'tag:yaml.org,2002:bool'
  const kept: Tags = schema === 'js-yaml-3' ? [...tags.filter((tag) => !isBool(tag)), 'bool'] : [...tags]
  return [...kept.map(withDigits), regexpTag, undefinedTag, functionTag]
}

/** For YAML 1.1 the library takes `e1` and `.` for numbers, which are none: names of endpoints became NaN. */
function withDigits(tag: Tags[number]): Tags[number] {
  if (typeof tag === 'string' || tag.tag !== 'tag:yaml.org,2002:float') return tag
  const scalar = tag as ScalarTag
  if (scalar.test === undefined) return tag
  const numbers = `(?=[-+]?\\.?(?:[0-9]|inf|Inf|INF|nan|NaN|NAN))`
  return { ...scalar, test: new RegExp(`^${numbers}(?:${scalar.test.source})`) }
}

/** `/source/flags`, or a source alone. Whether it may run on a stranger's text is judged where it is used. */
const regexpTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:js/regexp',
  resolve(text, onError) {
    const found = /^\/(.*)\/([a-z]*)$/s.exec(text)
    try {
      return found === null ? new RegExp(text) : new RegExp(found[1] ?? '', found[2])
    } catch (error) {
      onError(error instanceof SyntaxError ? error.message : String(error))
      return text
    }
  },
  stringify: ({ value }: Scalar) => String(value),
}

const undefinedTag: ScalarTag = { tag: 'tag:yaml.org,2002:js/undefined', resolve: () => undefined }

const functionTag: ScalarTag = {
  tag: 'tag:yaml.org,2002:js/function',
  resolve(_text, onError) {
    onError('functions in configuration are not run; write a plugin, or an expression')
    return null
  },
}
