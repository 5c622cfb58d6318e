/** What is read: the objects that routing looks at, and no more of them than it looks at. Types, and Kubernetes objects → these. */
import { createHash } from 'node:crypto'
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import type { Configuration, Configured } from './environment.ts'
import { selects } from './labels.ts'

export const sourceName = 'pods'

/** Where we write what is wrong with an object, JSON. */
const problemsAnnotation = 'gantry.dev/routing-problems'
const voices = new WeakMap<Configuration, string>()

/**
 * The annotation in which a router tells an object what is wrong with it. Routers that read other annotations, objects or
 * Secrets have others: what one says another must not take back.
 */
export function problemsAnnotationOf(configuration: Configuration): string {
  const known = voices.get(configuration)
  if (known !== undefined) return known
  const { selector, hostsAnnotation, pathsAnnotation, keySecretName, keySecretField } = configuration
  const read = JSON.stringify([selector.text, hostsAnnotation, pathsAnnotation, keySecretName, keySecretField])
  const name =
    read === STANDARD
      ? problemsAnnotation
      : `${problemsAnnotation}-${createHash('sha256').update(read).digest('hex').slice(0, 8)}`
  voices.set(configuration, name)
  return name
}

/** What is read where the environment says nothing. */
const STANDARD = JSON.stringify([
  'github.com/30x.dispatcher.routable=true',
  'github.com/30x.dispatcher.hosts',
  'github.com/30x.dispatcher.paths',
  'routing',
  'api-key',
])

export interface World {
  readonly configured: Configured
  /** By name. */
  readonly namespaces: readonly NamespaceObject[]
  /** By namespace and name. */
  readonly pods: readonly PodObject[]
  readonly secrets: readonly SecretObject[]
  /** Namespaces whose Secret could not be read so far: whether a key protects them is not known. */
  readonly unknownSecrets: readonly string[]
  /** Of reading: files that are no YAML, a server that is away. */
  readonly diagnostics: readonly Diagnostic[]
}

interface Common {
  readonly name: string
  readonly uid?: string
  /** RFC 3339; '' where it is not said, which is older than everything. */
  readonly created: string
  /** What our annotation for problems says now. */
  readonly told?: string
  /** In a file. */
  readonly at?: Pick<Origin, 'file' | 'line' | 'column'>
}

export interface NamespaceObject extends Common {
  readonly kind: 'Namespace'
  /** The annotation. */
  readonly hosts?: string
}

export interface PodObject extends Common {
  readonly kind: 'Pod'
  readonly namespace: string
  readonly paths?: string
  readonly phase: string
  readonly ip: string
  /** Undefined: the Pod says nothing about it. */
  readonly ready?: boolean
  readonly terminating: boolean
  readonly containers: readonly ContainerObject[]
}

export interface ContainerObject {
  readonly ports: readonly { readonly name?: string; readonly port: number }[]
  /** Its readiness probe, else its liveness probe. */
  readonly probe?: ProbeObject
}

/** Seconds, as Kubernetes says them; 0 where nothing is said. */
export interface ProbeObject {
  readonly kind: 'http' | 'tcp' | 'other'
  readonly path: string
  readonly port?: string | number
  readonly period: number
  readonly timeout: number
  readonly success: number
  readonly failure: number
}

export interface SecretObject extends Common {
  readonly kind: 'Secret'
  readonly namespace: string
  /** Base64, as stored. Never printed: a world is not logged. */
  readonly data: Readonly<Record<string, string>>
}

export type RoutedObject = NamespaceObject | PodObject | SecretObject

/** A Kubernetes object, of which nothing is believed. Undefined where it is not for us. */
export function keepObject(object: unknown, kind: string, configuration: Configuration): RoutedObject | undefined {
  const root = record(object)
  const metadata = record(root['metadata'])
  const labels = texts(metadata['labels'])
  const annotations = texts(metadata['annotations'])
  const name = text(metadata['name'])
  if (name === '') return undefined
  const namespace = text(metadata['namespace'])
  const uid = text(metadata['uid'])
  const told = annotations[problemsAnnotationOf(configuration)]
  const common = {
    name,
    ...(uid === '' ? {} : { uid }),
    created: text(metadata['creationTimestamp']),
    ...(told === undefined ? {} : { told }),
  }
  switch (kind) {
    case 'Namespace': {
      if (!selects(configuration.selector.requirements, labels)) return undefined
      const hosts = annotations[configuration.hostsAnnotation]
      return { kind, ...common, ...(hosts === undefined ? {} : { hosts }) }
    }
    case 'Pod': {
      if (!selects(configuration.selector.requirements, labels)) return undefined
      const status = record(root['status'])
      const paths = annotations[configuration.pathsAnnotation]
      const ready = list(status['conditions'])
        .map(record)
        .find((one) => one['type'] === 'Ready')
      return {
        kind,
        ...common,
        namespace,
        ...(paths === undefined ? {} : { paths }),
        phase: text(status['phase']),
        ip: text(status['podIP']),
        ...(ready === undefined ? {} : { ready: ready['status'] === 'True' }),
        terminating: text(metadata['deletionTimestamp']) !== '',
        containers: list(record(root['spec'])['containers']).map(keepContainer),
      }
    }
    case 'Secret':
      if (name !== configuration.keySecretName) return undefined
      return { kind, ...common, namespace, data: { ...encoded(root['stringData']), ...texts(root['data']) } }
    default:
      return undefined
  }
}

function keepContainer(value: unknown): ContainerObject {
  const container = record(value)
  const probe = container['readinessProbe'] ?? container['livenessProbe']
  return {
    ports: list(container['ports']).flatMap((each) => {
      const { containerPort, name } = record(each)
      if (typeof containerPort !== 'number') return []
      return [{ port: containerPort, ...(typeof name === 'string' ? { name } : {}) }]
    }),
    ...(probe === undefined || probe === null ? {} : { probe: keepProbe(record(probe)) }),
  }
}

function keepProbe(probe: Readonly<Record<string, unknown>>): ProbeObject {
  const http = probe['httpGet'] === undefined ? undefined : record(probe['httpGet'])
  const tcp = probe['tcpSocket'] === undefined ? undefined : record(probe['tcpSocket'])
  const port = (http ?? tcp)?.['port']
  const number = (name: string): number => (typeof probe[name] === 'number' ? probe[name] : 0)
  return {
    kind: http !== undefined ? 'http' : tcp !== undefined ? 'tcp' : 'other',
    path: http === undefined ? '' : text(http['path']),
    ...(typeof port === 'number' || typeof port === 'string' ? { port } : {}),
    period: number('periodSeconds'),
    timeout: number('timeoutSeconds'),
    success: number('successThreshold'),
    failure: number('failureThreshold'),
  }
}

export function originOf(object: RoutedObject, field?: string): Origin {
  const name = object.kind === 'Namespace' ? object.name : `${object.namespace}/${object.name}`
  return {
    source: sourceName,
    object: `${object.kind} ${name}`,
    ...(field === undefined ? {} : { field }),
    ...object.at,
  }
}

function record(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Record<string, unknown>) : {}
}

function list(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : []
}

function text(value: unknown): string {
  if (value instanceof Date) return value.toISOString()
  return typeof value === 'string' ? value : ''
}

function texts(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(record(value)).filter((one): one is [string, string] => typeof one[1] === 'string'),
  )
}

/** What a manifest writes in clear, an API server gives back in base64. */
function encoded(value: unknown): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(texts(value)).map(([key, clear]) => [key, Buffer.from(clear).toString('base64')]),
  )
}
