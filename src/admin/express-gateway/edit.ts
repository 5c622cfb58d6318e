/** The text of gateway.config and one change → the text with that change; comments, anchors and placeholders stay. Pure. */
import { type Document, isAlias, isMap, isScalar, isSeq, parseDocument, type YAMLMap } from 'yaml'

export type Edit =
  | {
      readonly kind: 'set'
      readonly section: Section
      readonly name: string
      readonly value: Readonly<Record<string, unknown>>
    }
  | { readonly kind: 'delete'; readonly section: Section; readonly name: string }
  | { readonly kind: 'add' | 'remove'; readonly section: 'policies'; readonly name: string }

export type Section = 'apiEndpoints' | 'serviceEndpoints' | 'pipelines'
export type Outcome = 'created' | 'updated' | 'deleted' | 'unchanged'

/** The file is written in a way that cannot be changed from here without touching more than was asked. */
export class Unfit extends Error {}

export function editText(
  text: string,
  edit: Edit,
  format: 'yaml' | 'json',
): { readonly text: string; readonly outcome: Outcome } {
  // with placeholders still in it: ${PORT:-8080} must survive, not its value
  const document = parseDocument(text, {
    keepSourceTokens: false,
    uniqueKeys: false,
    version: '1.1',
    logLevel: 'silent',
  })
  if (document.errors.length > 0) {
    throw new Unfit(
      `the configuration cannot be changed here: ${document.errors[0]?.message.split('\n')[0] ?? 'it is not YAML'}`,
    )
  }
  if (document.contents === null) Object.assign(document, { contents: document.createNode({}) })
  if (!isMap(document.contents)) throw new Unfit('the configuration cannot be changed here: it is not a map')
  const outcome = edit.kind === 'set' || edit.kind === 'delete' ? editSection(document, edit) : editList(document, edit)
  if (outcome === 'unchanged') return { text, outcome }
  if (format === 'json') return { text: `${JSON.stringify(document.toJS(), undefined, 2)}\n`, outcome }
  return { text: document.toString({ lineWidth: 0, flowCollectionPadding: text.includes('{ ') }), outcome }
}

type SectionEdit = Extract<Edit, { kind: 'set' | 'delete' }>

function editSection(document: Document.Parsed, edit: SectionEdit): Outcome {
  const key = keyOf(document, edit.section)
  const node = document.get(key, true) as unknown
  if (isAlias(node)) throw new Unfit(`${key} is an alias (*${node.source}): change it where it stands`)
  if (isSeq(node)) return editNamed(document, key, edit)
  if (!isMap(node)) {
    // absent, or null
    if (edit.kind === 'delete') return 'unchanged'
    document.set(key, document.createNode({ [edit.name]: edit.value }))
    return 'created'
  }
  const there = node.has(edit.name)
  if (edit.kind === 'delete') return there && node.delete(edit.name) ? 'deleted' : 'unchanged'
  node.set(edit.name, document.createNode(edit.value))
  return there ? 'updated' : 'created'
}

/** Pipelines as a list, each with its name inside. */
function editNamed(document: Document.Parsed, key: string, edit: SectionEdit): Outcome {
  const list = document.get(key, true) as unknown
  if (!isSeq(list)) return 'unchanged'
  const at = list.items.findIndex((item) => isMap(item) && item.get('name') === edit.name)
  if (edit.kind === 'delete') {
    if (at === -1) return 'unchanged'
    list.delete(at)
    return 'deleted'
  }
  const value = document.createNode({ name: edit.name, ...edit.value })
  if (at === -1) list.add(value)
  else list.set(at, value)
  return at === -1 ? 'created' : 'updated'
}

function editList(document: Document.Parsed, edit: Extract<Edit, { kind: 'add' | 'remove' }>): Outcome {
  const node = document.get('policies', true) as unknown
  if (isAlias(node)) throw new Unfit(`policies is an alias (*${node.source}): change it where it stands`)
  if (!isSeq(node)) {
    if (edit.kind === 'remove') return 'unchanged'
    document.set('policies', document.createNode([edit.name]))
    return 'created'
  }
  const at = node.items.findIndex((item) => isScalar(item) && item.value === edit.name)
  if (edit.kind === 'add') {
    if (at !== -1) return 'unchanged'
    node.add(document.createNode(edit.name))
    return 'created'
  }
  if (at === -1) return 'unchanged'
  node.delete(at)
  return 'deleted'
}

/** As it is spelled in the file: the singular counts where there is no plural. */
function keyOf(document: Document.Parsed, section: Section): string {
  const singular = section.slice(0, -1)
  const map = document.contents as YAMLMap
  return section !== 'serviceEndpoints' && !map.has(section) && map.has(singular) ? singular : section
}
