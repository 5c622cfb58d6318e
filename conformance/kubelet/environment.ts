/** Container of a Pod + image → environment and command line, or the name of what is not there yet. Pure. */
import type { ContainerSpec, Pod } from './objects.ts'
import { contentOf, type Lookup } from './volumes.ts'

/** What stands in for an image: programs of this machine. */
export interface Image {
  readonly entrypoint: readonly string[]
  readonly args?: readonly string[]
  /** Folders searched before the machine's own, for Pods that name a `command`. */
  readonly path?: readonly string[]
  readonly env?: Readonly<Record<string, string>>
}

export type Images = Readonly<Record<string, Image>>
type Variables = Readonly<Record<string, string>>

export type Launch =
  | { readonly kind: 'launch'; readonly argv: readonly string[]; readonly env: Variables }
  | { readonly kind: 'missing'; readonly what: string }

export function launchOf(
  container: ContainerSpec,
  pod: Pod,
  image: Image,
  services: Variables,
  lookup: Lookup,
): Launch {
  const namespace = pod.metadata.namespace ?? ''
  const path = [...(image.path ?? []), '/usr/local/bin', '/usr/sbin', '/usr/bin', '/sbin', '/bin'].join(':')
  const env: Record<string, string> = { PATH: path, HOSTNAME: pod.metadata.name, ...services, ...image.env }
  // $(NAME) is a variable, $$(NAME) is the text $(NAME), an unknown name stays as it is
  const expand = (text: string) =>
    text.replace(/\$(\$)|\$\(([A-Za-z_][\w.-]*)\)/g, (whole, escape: string | undefined, name: string) =>
      escape ? '$' : (env[name] ?? whole),
    )

  for (const { prefix = '', secretRef, configMapRef } of container.envFrom ?? []) {
    const source = secretRef ?? configMapRef
    if (!source) continue
    const kind = secretRef ? 'Secret' : 'ConfigMap'
    const object = lookup(kind, namespace, source.name)
    if (!object && !source.optional) return { kind: 'missing', what: `${kind} ${namespace}/${source.name}` }
    if (object) for (const [key, value] of contentOf(object)) env[prefix + key] = value.toString()
  }
  for (const { name, value, valueFrom } of container.env ?? []) {
    const ref = valueFrom?.secretKeyRef ?? valueFrom?.configMapKeyRef
    if (ref) {
      const kind = valueFrom?.secretKeyRef ? 'Secret' : 'ConfigMap'
      const object = lookup(kind, namespace, ref.name)
      const found = object && contentOf(object).get(ref.key)
      if (!found && !ref.optional)
        return { kind: 'missing', what: `key ${ref.key} of ${kind} ${namespace}/${ref.name}` }
      if (found) env[name] = found.toString()
    } else if (valueFrom?.fieldRef) env[name] = field(pod, valueFrom.fieldRef.fieldPath)
    else if (valueFrom?.resourceFieldRef) env[name] = resource(container, valueFrom.resourceFieldRef.resource)
    else env[name] = expand(value ?? '')
  }

  const command = container.command ?? image.entrypoint
  const args = container.args ?? (container.command ? [] : (image.args ?? []))
  return { kind: 'launch', argv: [...command, ...args].map(expand), env }
}

/** A field path of the downward API → its text, '' when absent. */
export function field(pod: Pod, path: string): string {
  const [, map, key] = /^metadata\.(labels|annotations)\['(.+)'\]$/.exec(path) ?? []
  if (map && key) return pod.metadata[map as 'labels' | 'annotations']?.[key] ?? ''
  const value = path.split('.').reduce<unknown>((at, name) => (isRecord(at) ? at[name] : undefined), pod)
  if (isRecord(value))
    return Object.entries(value)
      .map(([name, text]) => `${name}=${JSON.stringify(text)}`)
      .join('\n')
  return typeof value === 'string' || typeof value === 'number' || typeof value === 'boolean' ? String(value) : ''
}

const isRecord = (value: unknown): value is Readonly<Record<string, unknown>> =>
  typeof value === 'object' && value !== null

function resource(container: ContainerSpec, path: string): string {
  const [group, name = ''] = path.split('.')
  const given = group === 'limits' || group === 'requests' ? container.resources?.[group]?.[name] : undefined
  // what nobody limited is the node's; two cores and 4 GiB are what the lab promises
  return given ?? String(name === 'cpu' ? 2 : 4 * 2 ** 30)
}

/** The entry for an image: the longest key that ends the repository name, tag and digest aside. */
export function imageOf(name: string, images: Images): Image | undefined {
  const repository = name.replace(/@.*$/, '').replace(/:[^/:]*$/, '')
  const keys = Object.keys(images).filter((key) => repository === key || repository.endsWith(`/${key}`))
  return images[keys.sort((a, b) => b.length - a.length)[0] ?? '']
}

/** Text of an image map → images. `$NAME` becomes a folder, `$NODE` among them; a text that is no map throws. */
export function readImages(text: string, folders: Readonly<Record<string, string>>): Images {
  const parsed: unknown = JSON.parse(text, (_, value: unknown) =>
    typeof value === 'string' ? replaceFolders(value, folders) : value,
  )
  if (!isRecord(parsed) || Array.isArray(parsed))
    throw new Error('an image map is an object: image name → { entrypoint, args, path, env }')
  for (const [name, image] of Object.entries(parsed)) {
    if (!isRecord(image) || !Array.isArray(image['entrypoint']) || image['entrypoint'].length === 0) {
      throw new Error(`image ${name}: "entrypoint" is a list, program first`)
    }
  }
  return parsed as Images
}

function replaceFolders(text: string, folders: Readonly<Record<string, string>>): string {
  return text.replace(/\$([A-Z]+)/g, (whole, name: string) => folders[name] ?? whole)
}
