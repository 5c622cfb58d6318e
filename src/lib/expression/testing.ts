/** A subject made of plain values, for tests. */
import type { Fields, Subject } from './subject.ts'

export interface SubjectParts {
  readonly method?: string
  readonly target?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly consumer?: Readonly<Record<string, unknown>>
  readonly apiEndpoint?: Readonly<Record<string, unknown>>
  readonly parameters?: Readonly<Record<string, string>>
  readonly body?: unknown
  readonly from?: 'backend' | 'gateway'
}

export function makeSubject(parts: SubjectParts = {}): Subject & { readonly responseHeaders: PlainFields } {
  const headers = new PlainFields(parts.headers ?? { host: 'shop.example.com:8080' })
  const responseHeaders = new PlainFields({})
  const target = parts.target ?? '/a/b?x=1'
  const request = {
    method: parts.method ?? 'GET',
    target,
    originalTarget: target,
    get path() {
      return this.target.split('?')[0] ?? ''
    },
    get query() {
      const at = this.target.indexOf('?')
      return at === -1 ? '' : this.target.slice(at + 1)
    },
    version: '1.1',
    host: 'shop.example.com',
    headers,
  }
  const notes = new Map<symbol, unknown>()
  if (parts.body !== undefined) notes.set(Symbol.for('gantry.parsedBody'), parts.body)
  return {
    request,
    response: { headers: responseHeaders, from: parts.from ?? 'gateway' },
    responseHeaders,
    connection: { clientAddress: '10.0.0.7', remotePort: 40_000, scheme: 'http' },
    route: {
      match: { path: { kind: 'regexp' } },
      annotations: { apiEndpoint: parts.apiEndpoint ?? { apiEndpointName: 'api', scopes: [] }, pattern: '/a/:b' },
    },
    parameters: parts.parameters ?? { b: 'b' },
    consumer: parts.consumer,
    id: '0123456789abcdefghijkl',
    notes,
  }
}

export class PlainFields implements Fields {
  readonly #fields = new Map<string, [name: string, values: string[]]>()

  constructor(fields: Readonly<Record<string, string>>) {
    for (const [name, value] of Object.entries(fields)) this.set(name, value)
  }

  *[Symbol.iterator](): Generator<readonly [string, string]> {
    for (const [name, values] of this.#fields.values()) for (const value of values) yield [name, value]
  }

  get(lowerName: string): string | undefined {
    return this.#fields.get(lowerName)?.[1].join(', ')
  }

  set(name: string, value: string): void {
    if (/[\r\n\0]/.test(value)) throw new TypeError(`the value of ${name} cannot be written`)
    this.#fields.set(name.toLowerCase(), [name, [value]])
  }

  append(name: string, value: string): void {
    const before = this.#fields.get(name.toLowerCase())
    if (before === undefined) this.set(name, value)
    else before[1].push(value)
  }

  delete(name: string): void {
    this.#fields.delete(name.toLowerCase())
  }
}
