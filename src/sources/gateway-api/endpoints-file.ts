/** An endpoints file, or the annotation of a Service → the addresses of Services, with what is wrong and where. Pure. */
import type { Diagnostic, Origin } from '../../model/diagnostic.ts'
import { parseYaml } from '../../lib/yaml/yaml.ts'
import type { LocalEndpoint, LocalService } from './local-services.ts'
import { diagnose, diagnoseAt, objectName, originOf } from './origin.ts'
import type { Service } from './resources.ts'
import { keyOf } from './resources.ts'

export const endpointsAnnotation = 'gantry.dev/endpoints'
const addressHint = '127.0.0.1:3000, or http=127.0.0.1:3000, or a list of these'

export function isEndpointsFile(name: string): boolean {
  return /(^|\/)endpoints\.ya?ml$/.test(name)
}

export function parseEndpointsFile(
  name: string,
  text: string,
): { readonly locals: readonly LocalService[]; readonly problems: readonly Diagnostic[] } {
  const problems: Diagnostic[] = []
  const locals: LocalService[] = []
  const { documents, mistakes } = parseYaml(text)
  for (const { message, line, column, severity } of mistakes)
    problems.push(diagnoseAt('yaml', severity, message, { file: name, line, column }))
  for (const document of documents) {
    if (document.value === undefined || document.value === null) continue
    const at = (...path: readonly (string | number)[]): Origin => ({
      source: 'gateway-api',
      file: name,
      ...document.at(path),
    })
    if (typeof document.value !== 'object' || Array.isArray(document.value)) {
      const message = `${name} is not a table of Services`
      problems.push(diagnoseAt('endpoints', 'error', message, at(), 'web: 127.0.0.1:3000'))
      continue
    }
    for (const [title, value] of Object.entries(document.value)) {
      if (!isServiceName(title)) {
        const hint = 'NAME or NAMESPACE/NAME, of small letters, digits and "-"'
        problems.push(diagnoseAt('endpoints', 'error', `${title}: not the name of a Service`, at(title), hint))
        continue
      }
      const pieces: readonly (readonly [unknown, Origin])[] = Array.isArray(value)
        ? value.map((each: unknown, index) => [each, at(title, index)])
        : [[value, at(title)]]
      const found = pieces.map(([piece, origin]) => parseEndpoints(piece, origin))
      const wrong = found.flatMap((each) => ('wrong' in each ? [each] : []))
      for (const { wrong: piece, origin } of wrong)
        problems.push(
          diagnoseAt('endpoints', 'error', `${title}: ${piece} is not an address with a port`, origin, addressHint),
        )
      // half of the addresses would look like all of them
      if (wrong.length > 0) continue
      const key = title.includes('/') ? title : `default/${title}`
      const endpoints = found.flatMap((each) => ('wrong' in each ? [] : each))
      locals.push({ key, title, endpoints, source: {}, origin: at(title) })
    }
  }
  return { locals, problems }
}

const annotated = new WeakMap<Service, LocalService>()

/** What the annotation of a Service says, if it has one. */
export function annotatedEndpoints(service: Service, problems: Diagnostic[]): readonly LocalService[] {
  const text = service.metadata.annotations?.[endpointsAnnotation]
  if (text === undefined) return []
  const known = annotated.get(service)
  if (known !== undefined) return [known]
  const origin = originOf(service, 'metadata.annotations')
  const endpoints = parseEndpoints(text, origin)
  if ('wrong' in endpoints) {
    const message = `${endpoints.wrong} is not an address with a port`
    problems.push(diagnose('endpoints', 'error', service, 'metadata.annotations', message, addressHint))
    return []
  }
  const local = { key: keyOf(service), title: objectName(service), endpoints, source: service, origin }
  annotated.set(service, local)
  return [local]
}

interface Wrong {
  /** As it would be written in JSON. */
  readonly wrong: string
  readonly origin: Origin
}

/** `http=127.0.0.1:3000, [::1]:3001` → endpoints, or the piece that is none. */
function parseEndpoints(text: unknown, origin: Origin): readonly LocalEndpoint[] | Wrong {
  if (typeof text !== 'string' || text.trim() === '') return { wrong: JSON.stringify(text), origin }
  const result: LocalEndpoint[] = []
  for (const piece of text.split(',').map((each) => each.trim())) {
    const found = /^(?:([A-Za-z0-9-]+)=)?(?:\[([0-9A-Fa-f:.]+)\]|([A-Za-z0-9._-]+)):(\d{1,5})$/.exec(piece)
    const number = Number(found?.[4])
    if (found === null || number < 1 || number > 65535) return { wrong: JSON.stringify(piece), origin }
    const host = found[2] ?? found[3]!
    result.push({ ...(found[1] === undefined ? {} : { port: found[1] }), host, number, origin })
  }
  return result
}

/** Two labels of RFC 1123 at most. */
function isServiceName(text: string): boolean {
  const parts = text.split('/')
  return parts.length <= 2 && parts.every((part) => /^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$/.test(part))
}
