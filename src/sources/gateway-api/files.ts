/** Texts of YAML files → objects, with what is wrong and where. Pure; a text that did not change gives the same objects. */
import { posix } from 'node:path'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import { Secret as Hidden } from '../../model/secret.ts'
import { parseYaml } from '../../lib/yaml/yaml.ts'
import type { YamlDocument } from '../../lib/yaml/yaml.ts'
import { decode } from './decode.ts'
import type { LocalService } from './local-services.ts'
import { endpointsAnnotation, parseEndpoints, withLocalServices } from './local-services.ts'
import { objectName, originOf, placeObject } from './origin.ts'
import type { AnyResource, KnownKind, Objects, SecretObject, Service, World } from './resources.ts'
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

/** A reader remembers the files it has parsed. `others` are files that Secrets name, by relative path. */
export function createFileReader(options: FilesOptions): (texts: Texts, others: Texts) => World {
  const parsed = new Map<string, ParsedFile>()
  const secrets = new WeakMap<SecretObject, { readonly texts: string; readonly secret: SecretObject }>()

  return (texts, others) => {
    const problems: Diagnostic[] = []
    const locals: LocalService[] = []
    const byKey = new Map<string, AnyResource>()
    let stale = false
    for (const name of [...texts.keys()].sort()) {
      const text = texts.get(name)
      let file = parsed.get(name)
      if (text === undefined) {
        problems.push({
          code: 'gateway-api/unreadable',
          severity: 'error',
          message: `${name} cannot be read`,
          origin: { source: 'gateway-api', file: name },
        })
        if (file === undefined) continue
        stale = true
      } else if (file?.text !== text) {
        const now = isEndpointsFile(name) ? parseEndpointsFile(name, text) : parseFile(name, text)
        file = file === undefined ? now : withLastGood(name, now, file)
        parsed.set(name, file)
      }
      stale ||= file.kept === true
      problems.push(...file.problems)
      locals.push(...file.locals)
      for (const each of file.objects) {
        const object =
          each.kind === 'Secret' ? withFiles(each, name, others, secrets, file.kept === true, problems) : each
        const key = nameOf(object)
        const known = byKey.get(key)
        if (known === undefined) byKey.set(key, object)
        else {
          problems.push({
            code: 'gateway-api/duplicate',
            severity: 'error',
            message: `${objectName(object)} is written twice; the first one counts`,
            origin: originOf(object),
            related: [originOf(known)],
          })
        }
      }
    }
    for (const name of parsed.keys()) if (!texts.has(name)) parsed.delete(name)
    const objects = collect(byKey.values())
    const annotated = objects.Service.flatMap((service) => localOf(service, problems))
    const said = new Set(locals.map((each) => each.key))
    return {
      controllerName: options.controllerName,
      place: { kind: 'files', address: options.address },
      objects: withLocalServices(objects, [...locals, ...annotated.filter((each) => !said.has(each.key))]),
      problems,
      ...(stale ? { stale } : {}),
    }
  }
}

/**
 * A cluster refuses an update that is wrong and keeps what it has. So does a folder: of a file whose YAML is broken, or that was
 * emptied, everything stays as it was; of one with objects that are refused, those that are no longer found in it.
 */
function withLastGood(name: string, now: ParsedFile, before: ParsedFile): ParsedFile {
  if (before.objects.length === 0 && before.locals.length === 0) return now
  if (now.text.trim() === '') {
    const message = `${name} is empty: what it said before stands until it says something, or is removed`
    return { ...before, text: now.text, problems: [said('empty', 'warning', message, { file: name })], kept: true }
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

export function isEndpointsFile(name: string): boolean {
  return /(^|\/)endpoints\.ya?ml$/.test(name)
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
    problems.push(said('yaml', severity, message, { file: name, line, column }))
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
      said('foreign-kind', 'info', `${title}: objects of ${String(raw?.apiVersion)} are not read`, {
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
      said(
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

function said(
  code: string,
  severity: Diagnostic['severity'],
  message: string,
  origin: Omit<Origin, 'source'>,
  hint?: string,
): Diagnostic {
  return {
    code: `gateway-api/${code}`,
    severity,
    message,
    ...(hint === undefined ? {} : { hint }),
    origin: { source: 'gateway-api', ...origin },
  }
}

function parseEndpointsFile(name: string, text: string): ParsedFile {
  const problems: Diagnostic[] = []
  const locals: LocalService[] = []
  const { documents, mistakes } = parseYaml(text)
  for (const { message, line, column, severity } of mistakes)
    problems.push(said('yaml', severity, message, { file: name, line, column }))
  for (const document of documents) {
    if (document.value === undefined || document.value === null) continue
    if (typeof document.value !== 'object' || Array.isArray(document.value)) {
      problems.push(
        said(
          'endpoints',
          'error',
          `${name} is not a table of Services`,
          { file: name, ...document.at([]) },
          'web: 127.0.0.1:3000',
        ),
      )
      continue
    }
    for (const [service, value] of Object.entries(document.value)) {
      const pieces = Array.isArray(value) ? value.map(String) : [String(value)]
      const endpoints = parseEndpoints(pieces.join(','))
      const at = { file: name, ...document.at([service]) }
      if ('wrong' in endpoints) {
        problems.push(
          said(
            'endpoints',
            'error',
            `${service}: ${JSON.stringify(endpoints.wrong)} is not an address with a port`,
            at,
            '127.0.0.1:3000, or http=127.0.0.1:3000',
          ),
        )
        continue
      }
      locals.push({ key: service.includes('/') ? service : `default/${service}`, endpoints, source: {} })
    }
  }
  return { text, objects: [], locals, problems }
}

const annotatedLocals = new WeakMap<Service, LocalService>()

function localOf(service: Service, problems: Diagnostic[]): readonly LocalService[] {
  const annotation = service.metadata.annotations?.[endpointsAnnotation]
  if (annotation === undefined) return []
  const known = annotatedLocals.get(service)
  if (known !== undefined) return [known]
  const endpoints = parseEndpoints(annotation)
  if ('wrong' in endpoints) {
    const message = `${objectName(service)}: ${JSON.stringify(endpoints.wrong)} is not an address with a port`
    problems.push({
      code: 'gateway-api/endpoints',
      severity: 'error',
      message,
      hint: '127.0.0.1:3000, or http=127.0.0.1:3000',
      origin: originOf(service, 'metadata.annotations'),
    })
    return []
  }
  const local: LocalService = { key: keyOf(service), endpoints, source: service }
  annotatedLocals.set(service, local)
  return [local]
}

/** `tls.crt=web.crt, tls.key=web.key` */
function parseFiles(annotation: string): readonly { readonly key: string; readonly path: string }[] {
  return annotation.split(',').flatMap((each) => {
    const [key, path] = each.split('=', 2).map((part) => part.trim())
    return key === undefined || path === undefined || key === '' || path === '' ? [] : [{ key, path }]
  })
}

/** A Secret whose data lie in files of their own, so that no key stands in YAML. */
function withFiles(
  secret: SecretObject,
  file: string,
  others: Texts,
  known: WeakMap<SecretObject, { readonly texts: string; readonly secret: SecretObject }>,
  kept: boolean,
  problems: Diagnostic[],
): SecretObject {
  const annotation = secret.metadata.annotations?.[filesAnnotation]
  if (annotation === undefined) return secret
  const before = known.get(secret)
  const data: Record<string, Hidden> = { ...secret.spec.data }
  const texts: string[] = []
  for (const { key, path } of parseFiles(annotation)) {
    const text = others.get(posix.join(posix.dirname(file), path))
    // a text that is wrong names no files
    if (text === undefined && kept && before !== undefined) return before.secret
    texts.push(text ?? '')
    if (text === undefined) {
      problems.push({
        code: 'gateway-api/unreadable',
        severity: 'error',
        message: `${objectName(secret)}: ${path} cannot be read`,
        hint: 'paths are relative to the YAML file',
        origin: originOf(secret, 'metadata.annotations'),
      })
    } else data[key] = new Hidden(text)
  }
  if (before?.texts === texts.join('\0')) return before.secret
  const filled: SecretObject = { ...secret, spec: { ...secret.spec, data } }
  placeObject(filled, (field) => {
    const { file: name, line, column } = originOf(secret, field)
    return { file: name ?? file, ...(line === undefined ? {} : { line }), ...(column === undefined ? {} : { column }) }
  })
  known.set(secret, { texts: texts.join('\0'), secret: filled })
  return filled
}
