/**
 * A radix tree over characters: texts → the entries that stand there, in order. A build changes only nodes that it made and
 * copies every other one on its way, so that the tree it began with stays as it was and shares what did not change.
 */

/** The build that may change what bears it. */
export type Owner = object

/** Its key says where it stands among others. */
export interface Ordered {
  readonly index: number
}

/** `either`: the text as it is, and with one slash behind it. */
export type Place = 'exact' | 'either' | 'prefix' | 'start' | 'patterns'

export class Node<Entry extends Ordered> {
  label: string
  owner: Owner
  /** The first character of the label. */
  code: number
  /** One for each character that can follow. A chain, for each hop through an array is a line of cache more. */
  child: Node<Entry> | undefined = undefined
  sibling: Node<Entry> | undefined = undefined
  /** In place of a chain that would be longer than such a hop: the nodes by their character, from `first` on. */
  table: (Node<Entry> | undefined)[] | undefined = undefined
  first = 0
  exact: Entry[] | undefined = undefined
  either: Entry[] | undefined = undefined
  prefix: Entry[] | undefined = undefined
  start: Entry[] | undefined = undefined
  patterns: Entry[] | undefined = undefined

  constructor(label: string, owner: Owner) {
    this.label = label
    this.owner = owner
    this.code = label.charCodeAt(0)
  }
}

/** The same tree with one more entry; an entry that stands there already stands there once. */
export function withEntry<Entry extends Ordered>(
  root: Node<Entry>,
  text: string,
  place: Place,
  entry: Entry,
  owner: Owner,
): Node<Entry> {
  const top = own(root, owner)
  let node = top
  let at = 0
  while (at < text.length) {
    const child = childOf(node, text.charCodeAt(at))
    if (child === undefined) {
      const leaf = new Node<Entry>(text.slice(at), owner)
      attach(node, leaf, owner)
      node = leaf
      break
    }
    const { label } = child
    let common = 1
    while (
      common < label.length &&
      at + common < text.length &&
      label.charCodeAt(common) === text.charCodeAt(at + common)
    )
      common++
    at += common
    if (common === label.length) {
      node = replace(node, child, own(child, owner), owner)
      continue
    }
    const upper = replace(node, child, new Node<Entry>(label.slice(0, common), owner), owner)
    const lower = own(child, owner)
    lower.label = label.slice(common)
    lower.code = lower.label.charCodeAt(0)
    lower.sibling = undefined
    upper.child = lower
    node = upper
  }
  const entries = node[place]
  if (entries === undefined) node[place] = [entry]
  else {
    const behind = firstBehind(entries, entry.index - 1)
    if (behind === entries.length) entries.push(entry)
    else if (entries[behind] !== entry) entries.splice(behind, 0, entry)
  }
  return top
}

/** The same tree without it, and without nodes that held nothing else. */
export function withoutEntry<Entry extends Ordered>(
  root: Node<Entry>,
  text: string,
  place: Place,
  entry: Entry,
  owner: Owner,
): Node<Entry> {
  const trail = [own(root, owner)]
  let node = trail[0] as Node<Entry>
  const top = node
  for (let at = 0; at < text.length; at += node.label.length) {
    const child = childOf(node, text.charCodeAt(at))
    if (child === undefined || !text.startsWith(child.label, at)) return top
    node = replace(node, child, own(child, owner), owner)
    trail.push(node)
  }
  const entries = node[place]
  const at = entries?.indexOf(entry) ?? -1
  if (entries === undefined || at === -1) return top
  if (entries.length > 1) entries.splice(at, 1)
  else node[place] = undefined
  for (let depth = trail.length - 1; depth > 0; depth--) {
    const last = trail[depth] as Node<Entry>
    if (last.exact ?? last.either ?? last.prefix ?? last.start ?? last.patterns) break
    const parent = trail[depth - 1] as Node<Entry>
    const [only, another] = children(last)
    if (only === undefined) {
      detach(parent, last, owner)
      continue
    }
    if (another !== undefined) break
    const joined = own(only, owner)
    joined.label = last.label + joined.label
    joined.code = last.code
    replace(parent, last, joined, owner)
    break
  }
  return top
}

export function isEmpty(root: Node<Ordered>): boolean {
  return (
    root.child === undefined &&
    root.table === undefined &&
    (root.exact ?? root.either ?? root.prefix ?? root.start ?? root.patterns) === undefined
  )
}

/** Where the entries begin whose key is larger. */
export function firstBehind(entries: readonly Ordered[], after: number): number {
  let low = 0
  let high = entries.length
  while (low < high) {
    const middle = (low + high) >>> 1
    if ((entries[middle] as Ordered).index <= after) low = middle + 1
    else high = middle
  }
  return low
}

export function childOf<Entry extends Ordered>(node: Node<Entry>, code: number): Node<Entry> | undefined {
  const { table } = node
  if (table !== undefined) {
    const place = code - node.first
    return place >= 0 && place < table.length ? table[place] : undefined
  }
  let { child } = node
  while (child !== undefined && child.code !== code) child = child.sibling
  return child
}

function own<Entry extends Ordered>(node: Node<Entry>, owner: Owner): Node<Entry> {
  if (node.owner === owner) return node
  const copy = new Node<Entry>(node.label, owner)
  copy.child = node.child
  copy.sibling = node.sibling
  copy.table = node.table?.slice()
  copy.first = node.first
  copy.exact = node.exact?.slice()
  copy.either = node.either?.slice()
  copy.prefix = node.prefix?.slice()
  copy.start = node.start?.slice()
  copy.patterns = node.patterns?.slice()
  return copy
}

/** `now` in the place of `old`. Whoever stands before it in a chain points to it. */
function replace<Entry extends Ordered>(
  parent: Node<Entry>,
  old: Node<Entry>,
  now: Node<Entry>,
  owner: Owner,
): Node<Entry> {
  if (now === old) return now
  if (parent.table !== undefined) {
    parent.table[old.code - parent.first] = now
    return now
  }
  now.sibling = old.sibling
  point(parent, old, now, owner)
  return now
}

function point<Entry extends Ordered>(
  parent: Node<Entry>,
  old: Node<Entry>,
  now: Node<Entry> | undefined,
  owner: Owner,
): void {
  if (parent.child === old) {
    parent.child = now
    return
  }
  let link = (parent.child = own(parent.child as Node<Entry>, owner))
  while (link.sibling !== old) link = link.sibling = own(link.sibling as Node<Entry>, owner)
  link.sibling = now
}

const LONG_CHAIN = 4
/** Characters that lie further apart than this stay in a chain. */
const WIDE = 128

function attach<Entry extends Ordered>(parent: Node<Entry>, leaf: Node<Entry>, owner: Owner): void {
  const { table } = parent
  if (table !== undefined) {
    const place = leaf.code - parent.first
    if (place >= 0 && place < table.length) table[place] = leaf
    else arrange(parent, [...children(parent), leaf], owner)
    return
  }
  leaf.sibling = parent.child
  parent.child = leaf
  if (leaf.sibling?.sibling?.sibling !== undefined) arrange(parent, children(parent), owner)
}

function detach<Entry extends Ordered>(parent: Node<Entry>, gone: Node<Entry>, owner: Owner): void {
  if (parent.table === undefined) {
    point(parent, gone, gone.sibling, owner)
    return
  }
  parent.table[gone.code - parent.first] = undefined
  const left = children(parent)
  if (left.length < LONG_CHAIN) arrange(parent, left, owner)
}

/** As a table or as a chain, whichever is fit. */
function arrange<Entry extends Ordered>(parent: Node<Entry>, nodes: readonly Node<Entry>[], owner: Owner): void {
  const codes = nodes.map(({ code }) => code)
  const first = Math.min(...codes)
  const width = Math.max(...codes) - first + 1
  parent.child = undefined
  parent.table = undefined
  if (nodes.length >= LONG_CHAIN && width <= WIDE) {
    parent.table = Array.from<Node<Entry> | undefined>({ length: width }).fill(undefined)
    parent.first = first
  }
  for (const node of nodes) {
    // nothing that stands in a table may hold on to what stood beside it
    const mine = own(node, owner)
    mine.sibling = parent.table === undefined ? parent.child : undefined
    if (parent.table === undefined) parent.child = mine
    else parent.table[mine.code - first] = mine
  }
}

function children<Entry extends Ordered>(node: Node<Entry>): Node<Entry>[] {
  if (node.table !== undefined) return node.table.filter((child) => child !== undefined)
  const found: Node<Entry>[] = []
  for (let { child } = node; child !== undefined; child = child.sibling) found.push(child)
  return found
}
