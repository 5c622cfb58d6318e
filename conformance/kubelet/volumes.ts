/** Volume of a Pod + Secrets and ConfigMaps → files, or the name of what is not there yet. Pure. */
import { field } from './environment.ts'
import type { ItemsOf, Pod, Source, TokenSource, Volume } from './objects.ts'

export type Lookup = (kind: 'Secret' | 'ConfigMap', namespace: string, name: string) => Source | undefined
export type Files = ReadonlyMap<string, Buffer>
export type Rendered =
  { readonly kind: 'files'; readonly files: Files } | { readonly kind: 'missing'; readonly what: string }

export function renderVolume(
  volume: Volume,
  pod: Pod,
  lookup: Lookup,
  token: (source: TokenSource) => string,
): Rendered {
  const namespace = pod.metadata.namespace ?? ''
  const files = new Map<string, Buffer>()
  for (const { secret, configMap, downwardAPI, serviceAccountToken } of volume.projected?.sources ?? [volume]) {
    const missing =
      (secret && add('Secret', secret.secretName ?? secret.name ?? '', secret)) ??
      (configMap && add('ConfigMap', configMap.name, configMap))
    if (missing !== undefined) return { kind: 'missing', what: missing }
    for (const { path, fieldRef } of downwardAPI?.items ?? [])
      files.set(path, Buffer.from(field(pod, fieldRef?.fieldPath ?? '')))
    if (serviceAccountToken) files.set(serviceAccountToken.path, Buffer.from(token(serviceAccountToken)))
  }
  return { kind: 'files', files }

  /** What is missing, or undefined. */
  function add(kind: 'Secret' | 'ConfigMap', name: string, source: ItemsOf): string | undefined {
    const object = lookup(kind, namespace, name)
    if (!object) return source.optional ? undefined : `${kind} ${namespace}/${name}`
    const content = contentOf(object)
    for (const { key, path } of source.items ?? [...content.keys()].map((it) => ({ key: it, path: it }))) {
      const value = content.get(key)
      if (value) files.set(path, value)
      else if (!source.optional) return `key ${key} of ${kind} ${namespace}/${name}`
    }
    return undefined
  }
}

/** Data of a Secret or ConfigMap as bytes. */
export function contentOf(object: Source): ReadonlyMap<string, Buffer> {
  // items of a list carry no kind, but every Secret has a type
  const encoding = object.kind === 'Secret' || object.type !== undefined ? 'base64' : 'utf8'
  return new Map([
    ...Object.entries(object.data ?? {}).map(([key, value]) => [key, Buffer.from(value, encoding)] as const),
    ...Object.entries(object.binaryData ?? {}).map(([key, value]) => [key, Buffer.from(value, 'base64')] as const),
  ])
}

/** The Secrets and ConfigMaps a Pod's volumes read, as `Kind/name`. */
export function sourcesOf(pod: Pod): ReadonlySet<string> {
  const names = new Set<string>()
  for (const { secret, configMap } of (pod.spec.volumes ?? []).flatMap(
    (volume) => volume.projected?.sources ?? [volume],
  )) {
    if (secret) names.add(`Secret/${secret.secretName ?? secret.name}`)
    if (configMap) names.add(`ConfigMap/${configMap.name}`)
  }
  return names
}
