/** Requests to the Admin API → its answers. On node:http, which is there at once. */
import { request as requestHttp, STATUS_CODES } from 'node:http'

/** The Admin API answered, and said no. */
export class ApiRefusal extends Error {
  readonly status: number
  readonly reason: string
  readonly text: string

  constructor(status: number, text: string) {
    super(text === '' ? String(STATUS_CODES[status]) : text)
    this.status = status
    this.reason = STATUS_CODES[status] ?? String(status)
    this.text = text
  }
}

export type Json = Record<string, unknown>

export class AdminClient {
  readonly #base: string
  readonly #headers: Record<string, string>
  readonly #tell: ((line: string) => void) | undefined

  /** Headers as `Name:value`. */
  constructor(base: string, headers: readonly string[], tell: ((line: string) => void) | undefined) {
    this.#base = base
    this.#tell = tell
    this.#headers = Object.fromEntries(
      headers.map((line) => {
        const colon = line.indexOf(':')
        return colon === -1 ? [line.trim(), ''] : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()]
      }),
    )
  }

  /** Path segments are encoded here. Rejects with ApiRefusal, or with what kept the API from answering. */
  async send(
    method: string,
    path: readonly string[],
    body?: Json,
    query?: Readonly<Record<string, string>>,
  ): Promise<Json> {
    const search = query === undefined ? '' : `?${new URLSearchParams(query).toString()}`
    const url = `${this.#base}/${path.map(encodeURIComponent).join('/')}${search}`
    const began = performance.now()
    const { status, text } = await this.#exchange(method, url, body === undefined ? undefined : JSON.stringify(body))
    this.#tell?.(`HTTP  ${method.padEnd(7)} ${status} ${url} (${Math.round(performance.now() - began)}ms)`)
    if (status >= 400) throw new ApiRefusal(status, text)
    try {
      const value: unknown = text === '' ? {} : JSON.parse(text)
      return typeof value === 'object' && value !== null ? (value as Json) : {}
    } catch {
      throw new Error(`${url} does not answer as an Admin API does: is it one?`)
    }
  }

  async #exchange(method: string, url: string, body: string | undefined): Promise<{ status: number; text: string }> {
    const request = url.startsWith('https:') ? (await import('node:https')).request : requestHttp
    const content: Record<string, string> =
      body === undefined
        ? {}
        : { 'Content-Type': 'application/json', 'Content-Length': String(Buffer.byteLength(body)) }
    return new Promise((resolve, reject) => {
      const outgoing = request(
        url,
        { method, headers: { Accept: 'application/json', ...content, ...this.#headers } },
        (answer) => {
          let text = ''
          answer.setEncoding('utf8')
          answer.on('data', (piece: string) => (text += piece))
          answer.on('end', () => resolve({ status: answer.statusCode ?? 0, text }))
          answer.on('error', reject)
        },
      )
      outgoing.setTimeout(30_000, () => outgoing.destroy(new Error('it has not answered for 30 s')))
      outgoing.on('error', (error: NodeJS.ErrnoException) => {
        reject(new Error(`the Admin API at ${this.#base} cannot be reached: ${error.message || String(error.code)}`))
      })
      outgoing.end(body)
    })
  }
}
