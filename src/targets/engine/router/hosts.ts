/** Rules by host → the path indices that may take a request of a host. Pure; a build shares with the one before what did not change. */
import type { Work } from '../../../lib/turns.ts'
import type { HostMatch } from '../../../model/model.ts'
import { compileHost, hostName, hostSuffix, type HostCheck, type Problem } from '../../../pipeline/match.ts'
import { PathIndex, type Entry } from './paths.ts'
import type { Owner } from './tree.ts'

export interface Group<T> {
  readonly paths: PathIndex<T>
  /** Why nothing of this group can be served: its host regexp. */
  readonly problem: Problem | undefined
}

interface Checked<T> {
  readonly check: HostCheck
  readonly paths: PathIndex<T>
}

/** Exact names, suffixes of one label more and of many, regexps by their source. */
const KINDS = ['exact', 'one', 'many', 'regexp'] as const
type Kind = (typeof KINDS)[number]

/** For a name that some rule spells out, all that may take it is looked up here; for others label by label, when it is asked. */
export interface Hosts<T> {
  /** Of every host; no part of the groups. */
  readonly any: PathIndex<T> | undefined
  readonly exact: ReadonlyMap<string, readonly Group<T>[]>
  readonly one: ReadonlyMap<string, PathIndex<T>>
  readonly many: ReadonlyMap<string, PathIndex<T>>
  readonly regexp: ReadonlyMap<string, Checked<T>>
}

/** What changes between one table and the next. */
export class HostsBuild<T> {
  readonly #before: Hosts<T> | undefined
  readonly #owner: Owner = {}
  #any: PathIndex<T> | undefined
  readonly #touched: Readonly<Record<Kind, Map<string, PathIndex<T>>>> = {
    exact: new Map(),
    one: new Map(),
    many: new Map(),
    regexp: new Map(),
  }

  constructor(before: Hosts<T> | undefined) {
    this.#before = before
  }

  add(entry: Entry<T>): void {
    this.#each(entry, (paths) => paths.add(entry))
  }

  remove(entry: Entry<T>): void {
    this.#each(entry, (paths) => paths.remove(entry))
  }

  #each({ asked: { hosts } }: Entry<T>, change: (paths: PathIndex<T>) => void): void {
    if (hosts === undefined || hosts.length === 0) change((this.#any ??= new PathIndex(this.#owner, this.#before?.any)))
    else for (const host of hosts) change(this.#indexOf(host))
  }

  #indexOf(host: HostMatch): PathIndex<T> {
    const kind = host.kind === 'suffix' ? host.labels : host.kind
    const name =
      host.kind === 'exact' ? hostName(host.name) : host.kind === 'suffix' ? hostSuffix(host.suffix) : host.source
    const touched = this.#touched[kind]
    let paths = touched.get(name)
    if (paths === undefined) touched.set(name, (paths = new PathIndex(this.#owner, this.#known(kind, name))))
    return paths
  }

  #known(kind: Kind, name: string): PathIndex<T> | undefined {
    switch (kind) {
      case 'exact':
        return this.#before?.exact.get(name)?.[0]?.paths
      case 'one':
      case 'many':
        return this.#before?.[kind].get(name)
      case 'regexp':
        return this.#before?.regexp.get(name)?.paths
    }
  }

  *finish(): Work<Hosts<T>> {
    const { one: ones, many: manies, regexp: regexps, exact: exacts } = this.#touched
    const any = this.#any ?? this.#before?.any
    const one = yield* changed(this.#before?.one, ones, (paths) => paths)
    const many = yield* changed(this.#before?.many, manies, (paths) => paths)
    const regexp = yield* changed(this.#before?.regexp, regexps, (paths, source): Checked<T> => ({
      check: this.#before?.regexp.get(source)?.check ?? compileHost({ kind: 'regexp', source }),
      paths,
    }))
    const others = { one, many, regexp }
    const exact = yield* changed(this.#before?.exact, exacts, (paths, name): readonly Group<T>[] => [
      { paths, problem: undefined },
      ...groupsOf(others, name),
    ])
    const hosts = { any: any?.empty === true ? undefined : any, exact, ...others }
    if (this.#before === undefined || ones.size + manies.size + regexps.size === 0) return hosts
    const again = new Map(exact)
    for (const [name, groups] of exact) {
      yield
      const [own] = groups
      if (own === undefined || exacts.has(name)) continue
      const now = [own, ...groupsOf(others, name)]
      if (!sameGroups(groups, now)) again.set(name, now)
    }
    return { ...hosts, exact: again }
  }
}

/** All that may take a host, but what takes every host. */
export function groupsFor<T>(hosts: Hosts<T>, host: string): readonly Group<T>[] {
  return hosts.exact.get(host) ?? groupsOf(hosts, host)
}

const NO_GROUPS: readonly never[] = []

/** Without the exact name. A rule with one good and one bad host is good: what has a problem comes last. */
function groupsOf<T>({ one, many, regexp }: Omit<Hosts<T>, 'any' | 'exact'>, host: string): readonly Group<T>[] {
  if (one.size === 0 && many.size === 0 && regexp.size === 0) return NO_GROUPS
  const groups: Group<T>[] = []
  const add = (paths: PathIndex<T> | undefined): void => {
    if (paths !== undefined) groups.push({ paths, problem: undefined })
  }
  if (one.size > 0 || many.size > 0) {
    for (let dot = host.indexOf('.', 1); dot !== -1; dot = host.indexOf('.', dot + 1)) {
      const suffix = host.slice(dot)
      add(many.get(suffix))
      if (host.lastIndexOf('.', dot - 1) === -1) add(one.get(suffix))
    }
  }
  const troubled: Group<T>[] = []
  for (const { check, paths } of regexp.values()) {
    const verdict = check(host)
    if (verdict === true) add(paths)
    else if (verdict !== false) troubled.push({ paths, problem: verdict })
  }
  return [...groups, ...troubled]
}

function sameGroups(a: readonly Group<unknown>[], b: readonly Group<unknown>[]): boolean {
  return (
    a.length === b.length && a.every(({ paths, problem }, at) => paths === b[at]?.paths && problem === b[at]?.problem)
  )
}

/** The map before where nothing was touched, else a copy, in pieces: without what has become empty, with what was made. */
function* changed<T, Kept>(
  before: ReadonlyMap<string, Kept> | undefined,
  touched: ReadonlyMap<string, PathIndex<T>>,
  keep: (paths: PathIndex<T>, name: string) => Kept,
): Work<ReadonlyMap<string, Kept>> {
  if (before !== undefined && touched.size === 0) return before
  const after = new Map<string, Kept>()
  let count = 0
  for (const [name, kept] of before ?? []) {
    if (touched.get(name)?.empty !== true) after.set(name, kept)
    if (++count % 64 === 0) yield
  }
  for (const [name, paths] of touched) {
    if (!paths.empty) after.set(name, keep(paths, name))
    if (++count % 16 === 0) yield
  }
  return after
}
