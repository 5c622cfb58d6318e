/** Texts of YAML files → objects, with what is wrong and where. Pure; a text that did not change gives the same objects. */
import { posix } from 'node:path'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import { Secret as Hidden } from '../../model/secret.ts'
import { parseYaml } from '../../lib/yaml/yaml.ts'
import type { YamlDocument } from '../../lib/yaml/yaml.ts'
import { decode } from './decode.ts'
import { annotatedEndpoints, isEndpointsFile, parseEndpointsFile } from './endpoints-file.ts'
import type { LocalService } from './local-services.ts'
import { withLocalServices } from './local-services.ts'
import { diagnoseAt, objectName, originOf, placeObject } from './origin.ts'
import type { AnyResource, KnownKind, Objects, SecretObject, World } from './resources.ts'
import { emptyObjects, keyOf } from './resources.ts'
import type { Path } from './validate.ts'
import { printPath } from './validate.ts'

/** Relative path → text; undefined: it could not be read. */
export type Texts = ReadonlyMap<string, string | undefined>

interface ParsedFile {
  readonly text: string
  readonly objects: readonly AnyResource[]
  readonly locals: readonly LocalService[]
  readonly problems: readonly Diagnostic[]
  /** Some of it is from an earlier text, because what stands there now is wrong. */
  readonly kept?: boolean
}

export interface FilesOptions {
  readonly controllerName: string
  /** Where clients on this machine find a listener that binds every address. */
  readonly address: string
}

const filesAnnotation = 'gantry.dev/files'

/**
 * A reader remembers the files it has parsed. `others` are files that Secrets name, by relative path; `lost` what cannot be
 * looked into: relative folder ('': all of it) → what is wrong, in words. What was read there stands.
 */
export function createFileReader(
  options: FilesOptions,
): (texts: Texts, others: Texts, lost?: ReadonlyMap<string, string>) => World {
  const parsed = new Map<string, ParsedFile>()
  const secrets: FilledSecrets = new WeakMap()

  return (texts, others, lost = new Map<string, string>()) => {
    const problems = [...lost].map(([folder, message]) =>
      diagnoseAt('unreadable', 'error', message, { file: folder === '' ? '.' : folder }, lostHint),
    )
    const locals = new Map<string, LocalService>()
    const byKey = new Map<string, AnyResource>()
    const isLost = (name: string): boolean =>
      [...lost.keys()].some((folder) => folder === '' || name.startsWith(`${folder}/`))
    let stale = lost.size > 0
    for (const name of parsed.keys()) if (!texts.has(name) && !isLost(name)) parsed.delete(name)
    for (const name of [...new Set([...texts.keys(), ...parsed.keys()])].sort()) {
      const text = texts.get(name)
      let file = parsed.get(name)
      if (text === undefined) {
        if (texts.has(name)) problems.push(diagnoseAt('unreadable', 'error', `${name} cannot be read`, { file: name }))
        if (file === undefined) continue
        stale = true
      } else if (file?.text !== text) {
        const now = isEndpointsFile(name)
          ? { text, objects: [], ...parseEndpointsFile(name, text) }
          : parseFile(name, text)
        file = file === undefined ? now : withLastGood(name, now, file)
        parsed.set(name, file)
      }
      const kept = file.kept === true || text === undefined
      stale ||= kept
      problems.push(...file.problems)
      for (const local of file.locals) {
        const known = locals.get(local.key)
        if (known === undefined) locals.set(local.key, local)
        else problems.push(twice(local.title, local.origin, known.origin))
      }
      for (const each of file.objects) {
        let object = each
        if (each.kind === 'Secret') {
          const filled = withFiles(each, name, others, secrets, kept, problems)
          stale ||= filled.stale
          object = filled.secret
        }
        const key = nameOf(object)
        const known = byKey.get(key)
        if (known === undefined) byKey.set(key, object)
        else problems.push(twice(objectName(object), originOf(object), originOf(known)))
      }
    }
    const objects = collect(byKey.values())
    for (const local of objects.Service.flatMap((service) => annotatedEndpoints(service, problems))) {
      const known = locals.get(local.key)
      if (known === undefined) locals.set(local.key, local)
      else problems.push(twice(`endpoints of ${local.title}`, local.origin, known.origin))
    }
    const served = withLocalServices(objects, [...locals.values()])
    return {
      controllerName: options.controllerName,
      place: { kind: 'files', address: options.address },
      objects: served.objects,
      problems: [...problems, ...served.problems],
      ...(stale ? { stale } : {}),
    }
  }
}

const lostHint = 'what was read there before stands until it can be read again'

function twice(what: string, origin: Origin, first: Origin): Diagnostic {
  const message = `${what} is written twice; the first one counts`
  return { ...diagnoseAt('duplicate', 'error', message, origin), related: [first] }
}

/**
 * A cluster refuses an update that is wrong and keeps what it has. So does a folder: of a file whose YAML is broken, or that was
 * emptied, everything stays as it was; of one with objects that are refused, those that are no longer found in it.
 */
function withLastGood(name: string, now: ParsedFile, before: ParsedFile): ParsedFile {
  if (before.objects.length === 0 && before.locals.length === 0) return now
  if (now.text.trim() === '') {
    const message = `${name} is empty: what it said before stands until it says something, or is removed`
    return {
      ...before,
      text: now.text,
      problems: [diagnoseAt('empty', 'warning', message, { file: name })],
      kept: true,
    }
  }
  const wrong = now.problems.filter(({ severity }) => severity === 'error')
  if (wrong.length === 0) return now
  if (wrong.some(({ code }) => code === 'gateway-api/yaml'))
    return { ...before, text: now.text, problems: now.problems, kept: true }
  const found = new Set([...now.objects.map(nameOf), ...now.locals.map(({ key }) => key)])
  return {
    ...now,
    objects: [...now.objects, ...before.objects.filter((each) => !found.has(nameOf(each)))],
    locals: [...now.locals, ...before.locals.filter(({ key }) => !found.has(key))],
    kept: true,
  }
}

function nameOf(object: AnyResource): string {
  return `${object.kind} ${keyOf(object)}`
}

/** Files that Secrets take their data from, relative to the folder. */
export function namedFiles(texts: Texts): readonly string[] {
  const names = new Set<string>()
  for (const [name, text] of texts) {
    if (text === undefined || !text.includes(filesAnnotation)) continue
    for (const { value } of parseYaml(text).documents.flatMap((document) => itemsOf(document.value))) {
      const annotation = (value as { metadata?: { annotations?: Record<string, unknown> } } | null | undefined)
        ?.metadata?.annotations?.[filesAnnotation]
      if (typeof annotation === 'string')
        for (const { path } of parseFiles(annotation)) names.add(posix.join(posix.dirname(name), path))
    }
  }
  return [...names].sort()
}

function collect(all: Iterable<AnyResource>): Objects {
  const objects = Object.fromEntries(Object.keys(emptyObjects).map((kind) => [kind, [] as AnyResource[]])) as Record<
    KnownKind,
    AnyResource[]
  >
  for (const each of all) objects[each.kind].push(each)
  return objects as unknown as Objects
}

function parseFile(name: string, text: string): ParsedFile {
  const problems: Diagnostic[] = []
  const objects: AnyResource[] = []
  const { documents, mistakes } = parseYaml(text)
  for (const { message, line, column, severity } of mistakes)
    problems.push(diagnoseAt('yaml', severity, message, { file: name, line, column }))
  for (const document of documents) {
    if (document.value === undefined || document.value === null) continue
    for (const { value, above } of itemsOf(document.value)) readObject(name, document, value, above, objects, problems)
  }
  return { text, objects, locals: [], problems }
}

/** `kind: List` is what kubectl prints for several. */
function itemsOf(value: unknown): readonly { readonly value: unknown; readonly above: Path }[] {
  const list = value as { kind?: unknown; items?: unknown } | null | undefined
  if (list?.kind !== 'List' || !Array.isArray(list.items)) return [{ value, above: [] }]
  return list.items.map((each: unknown, index) => ({ value: each, above: ['items', index] }))
}

function readObject(
  name: string,
  document: YamlDocument,
  value: unknown,
  above: Path,
  objects: AnyResource[],
  problems: Diagnostic[],
): void {
  // an item of a List that is being written is nothing yet
  const raw = value as { kind?: unknown; apiVersion?: unknown; metadata?: { name?: unknown } | null } | null
  const title =
    `${typeof raw?.kind === 'string' ? raw.kind : 'object'} ${typeof raw?.metadata?.name === 'string' ? raw.metadata.name : ''}`.trim()
  const decoded = decode(value, { depth: 'rules', namespace: 'default' })
  if (decoded.kind === 'foreign') {
    const at = document.at([...above, 'kind'])
    problems.push(
      diagnoseAt('foreign-kind', 'info', `${title}: objects of ${String(raw?.apiVersion)} are not read`, {
        file: name,
        ...at,
        object: title,
      }),
    )
    return
  }
  for (const { severity, path, message, hint } of decoded.problems) {
    const at = document.at([...above, ...path])
    const field = printPath(path)
    const code = severity === 'error' ? 'refused' : 'unknown-field'
    problems.push(
      diagnoseAt(
        code,
        severity,
        `${title}${field === '' ? '' : ` ${field}`}: ${message}`,
        { file: name, ...at, object: title, field },
        hint,
      ),
    )
  }
  if (decoded.kind === 'broken') return
  placeObject(decoded.resource, (field) => ({ file: name, ...document.at([...above, ...parsePath(field)]) }))
  objects.push(decoded.resource)
}

/** `spec.rules[0].matches` → parts. */
function parsePath(field: string): Path {
  return [...field.matchAll(/([^.[\]]+)|\[(\d+)\]/g)].map(([, name, index]) =>
    index === undefined ? name! : Number(index),
  )
}

/** `tls.crt=web.crt, tls.key=web.key` */
function parseFiles(annotation: string): readonly { readonly key: string; readonly path: string }[] {
  return annotation.split(',').flatMap((each) => {
    const [key, path] = each.split('=', 2).map((part) => part.trim())
    return key === undefined || path === undefined || key === '' || path === '' ? [] : [{ key, path }]
  })
}

type FilledSecrets = WeakMap<SecretObject, { readonly texts: string; readonly secret: SecretObject }>

/**
 * A Secret whose data lie in files of their own, so that no key stands in YAML. A file that went missing leaves what it
 * said: a renewal may be under way.
 */
function withFiles(
  secret: SecretObject,
  file: string,
  others: Texts,
  known: FilledSecrets,
  kept: boolean,
  problems: Diagnostic[],
): { readonly secret: SecretObject; readonly stale: boolean } {
  const annotation = secret.metadata.annotations?.[filesAnnotation]
  if (annotation === undefined) return { secret, stale: false }
  const before = known.get(secret)
  const data: Record<string, Hidden> = { ...secret.spec.data }
  const texts: string[] = []
  let missing = false
  for (const { key, path } of parseFiles(annotation)) {
    const text = others.get(posix.join(posix.dirname(file), path))
    // a text that is wrong names no files
    if (text === undefined && kept && before !== undefined) return { secret: before.secret, stale: true }
    texts.push(text ?? '')
    if (text === undefined) {
      missing = true
      problems.push({
        code: 'gateway-api/unreadable',
        severity: 'error',
        message: `${objectName(secret)}: ${path} cannot be read`,
        hint: before === undefined ? 'paths are relative to the YAML file' : lostHint,
        origin: originOf(secret, 'metadata.annotations'),
      })
    } else data[key] = new Hidden(text)
  }
  if (before !== undefined && (missing || before.texts === texts.join('\0')))
    return { secret: before.secret, stale: missing }
  const filled: SecretObject = { ...secret, spec: { ...secret.spec, data } }
  placeObject(filled, (field) => {
    const { file: name, line, column } = originOf(secret, field)
    return { file: name ?? file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) }
  })
  known.set(secret, { texts: texts.join('\0'), secret: filled })
  return { secret: filled, stale: false }
}
