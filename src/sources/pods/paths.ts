/** Pod → the paths that it offers. Pure; remembered by the object. */
import { isIP } from 'node:net'
import type { Diagnostic } from '../../model/diagnostic.ts'
import { type BasePath, parseBasePath, whyNoTargetPath } from './base-path.ts'
import { nameOf } from './hosts.ts'
import { fieldOf, type Json, parseJson } from './json.ts'
import { pathKeys, unknownKeys } from './keys.ts'
import { originOf, type PodObject, type ProbeObject } from './world.ts'

/** Of a path, bytes: written in nginx with escapes it stays below what nginx reads as one word (4,096). */
const LONGEST = 1000

export interface WantedPath {
  /** As the user wrote it. */
  readonly text: string
  /** The same for all that match the same. */
  readonly key: string
  readonly base: Exclude<BasePath, { kind: 'mistake' }>
  readonly port: number
  readonly to?: string
  readonly weight?: number
  /** Of the first container that declares the port; its own port is a number already. */
  readonly probe?: ProbeObject & { readonly port: number }
}

export interface Paths {
  readonly paths: readonly WantedPath[]
  readonly diagnostics: readonly Diagnostic[]
}

/** More than nginx or we could count with is no weight. */
const HEAVIEST = 65_535

const known = new WeakMap<PodObject, Paths>()

/** Without a word for Pods that are not running, have no address or no annotation: they offer nothing yet. */
export function pathsOf(pod: PodObject): Paths {
  return pod.phase !== 'Running' || pod.ip === '' ? nothing : parsed(pod)
}

/** What it offers or is about to: a Pod that starts again loses nothing to others. */
export function claimsOf(pod: PodObject): readonly WantedPath[] {
  return pod.phase === 'Succeeded' || pod.phase === 'Failed' ? [] : parsed(pod).paths
}

const nothing: Paths = { paths: [], diagnostics: [] }

function parsed(pod: PodObject): Paths {
  let paths = known.get(pod)
  if (paths === undefined) known.set(pod, (paths = parsePaths(pod)))
  return paths
}

function parsePaths(pod: PodObject): Paths {
  const diagnostics: Diagnostic[] = []
  if (pod.paths === undefined) return nothing
  // a name, or the path of a socket, would be asked as such
  if (pod.ip !== '' && (isIP(pod.ip) === 0 || pod.ip.includes('%'))) {
    diagnostics.push({
      code: 'pods/pod-address',
      severity: 'error',
      message: `pod ${pod.namespace}/${pod.name}: ${JSON.stringify(pod.ip)} is not an address; none of its paths is served`,
      origin: originOf(pod, 'status'),
    })
    return { paths: [], diagnostics }
  }
  const say = (
    code: string,
    field: string,
    message: string,
    hint: string,
    severity: Diagnostic['severity'] = 'error',
  ): void => {
    diagnostics.push({
      code: `pods/${code}`,
      severity,
      message: `pod ${pod.namespace}/${pod.name}: ${message}`,
      hint,
      origin: originOf(pod, field),
    })
  }
  const json = parseJson(pod.paths)
  if (json.kind === 'null') return { paths: [], diagnostics }
  const why = json.kind === 'mistake' ? `are no JSON: ${json.message}` : whyNoList(json)
  if (json.kind !== 'array' || why !== undefined) {
    say(
      'paths-json',
      'paths',
      `the paths ${why}; none of them is served`,
      '[{"basePath": "/shop", "containerPort": "8080"}]',
    )
    return { paths: [], diagnostics }
  }
  const paths: WantedPath[] = []
  json.items.forEach((item, index) => {
    for (const { message, hint } of unknownKeys(item, pathKeys))
      say('path-key', `paths[${index}]`, `paths[${index}]: ${message}`, hint, 'warning')
    const path = parsePath(pod, item)
    if ('message' in path)
      say(path.code, `paths[${index}]`, `paths[${index}] ${path.message}; this path is left out`, path.hint)
    else paths.push(path)
  })
  return { paths, diagnostics }
}

/** A value of a wrong type spoils the whole list, for nobody knows what was meant. */
function whyNoList(json: Json): string | undefined {
  if (json.kind !== 'array') return `are ${nameOf(json)}, not a list`
  for (const [index, item] of json.items.entries()) {
    if (item.kind === 'null') continue
    if (item.kind !== 'object') return `hold ${nameOf(item)} at [${index}], not an object`
    for (const name of pathKeys.filter((key) => key !== 'weight')) {
      const wrong = item.entries.find(
        ([key, value]) => key.toLowerCase() === name.toLowerCase() && value.kind !== 'string' && value.kind !== 'null',
      )
      if (wrong !== undefined) return `hold ${nameOf(wrong[1])} as ${name} at [${index}], not a text`
    }
    const weight = item.entries.find(
      ([key, value]) =>
        key.toLowerCase() === 'weight' &&
        value.kind !== 'null' &&
        !(value.kind === 'number' && /^[0-9]+$/.test(value.text) && BigInt(value.text) <= 0xffff_ffff_ffff_ffffn),
    )
    if (weight !== undefined) return `hold a weight at [${index}] that is no whole number above 0`
  }
  return undefined
}

interface Wrong {
  readonly code: string
  readonly message: string
  readonly hint: string
}

function parsePath(pod: PodObject, item: Json): WantedPath | Wrong {
  const text = (name: string): string | undefined => {
    const field = fieldOf(item, name)
    return field?.kind === 'string' ? field.value : undefined
  }
  const portText = text('containerPort') ?? ''
  const port = /^[+-]?[0-9]+$/.test(portText) ? Number(portText) : 0
  if (port < 1 || port > 65_535)
    return {
      code: 'container-port',
      message: `has no good containerPort: ${JSON.stringify(portText)}`,
      hint: 'a number from 1 to 65535, in quotes',
    }
  const container = pod.containers.find((one) => one.ports.some((each) => each.port === port))
  if (container === undefined)
    return {
      code: 'container-port-unknown',
      message: `names the port ${port}, which no container of the Pod declares`,
      hint: 'a containerPort of spec.containers',
    }
  const given = text('basePath') ?? ''
  const long = [given, text('targetPath') ?? ''].findIndex((path) => Buffer.byteLength(path) > LONGEST)
  if (long !== -1)
    return {
      code: long === 0 ? 'base-path' : 'target-path',
      message: `${long === 0 ? 'basePath' : 'targetPath'} has more than ${LONGEST} bytes`,
      hint: 'a shorter path',
    }
  const base = parseBasePath(given)
  if (base.kind === 'mistake') return { code: 'base-path', message: `basePath ${base.message}`, hint: base.hint }
  const to = text('targetPath')
  const whyNoTarget =
    to === undefined
      ? undefined
      : base.kind === 'regexp'
        ? 'cannot replace what an expression matches'
        : whyNoTargetPath(to)
  if (whyNoTarget !== undefined)
    return { code: 'target-path', message: `targetPath ${whyNoTarget}`, hint: 'a path such as /shop' }
  const weightField = fieldOf(item, 'weight')
  const weight = weightField?.kind === 'number' ? BigInt(weightField.text) : undefined
  if (weight !== undefined && (weight < 1n || weight > BigInt(HEAVIEST)))
    return { code: 'weight', message: `has the weight ${weight}`, hint: `a whole number from 1 to ${HEAVIEST}` }
  return {
    text: given,
    key:
      base.kind === 'regexp'
        ? `${base.ignoreCase ? '~*' : '~'} ${base.source}`
        : `${base.kind === 'exact' ? '=' : ''}${base.path}`,
    base,
    port,
    ...(to === undefined ? {} : { to }),
    ...(weight === undefined ? {} : { weight: Number(weight) }),
    ...(container.probe === undefined
      ? {}
      : { probe: { ...container.probe, port: probePort(container.probe, pod, port) } }),
  }
}

/** A number, a number in a text, or the name of a port of any container; else that of the path. */
function probePort(probe: ProbeObject, pod: PodObject, port: number): number {
  if (typeof probe.port === 'number') return probe.port
  if (probe.port === undefined) return port
  if (/^[0-9]+$/.test(probe.port)) return Number(probe.port)
  const named = pod.containers.flatMap((one) => one.ports).find((one) => one.name === probe.port)
  return named?.port ?? port
}
