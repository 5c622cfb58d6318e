/** The address of a service that a policy asks → the JSON it answers with. Effect. */

export interface Question {
  readonly method?: 'GET' | 'POST'
  readonly headers: Readonly<Record<string, string>>
  readonly body?: string
  /** Until the first byte of the answer, and between two of its pieces, milliseconds; the whole may take twice as long. */
  readonly timeout: number
}

const longest = 1_048_576

/** Rejects where there is no answer in time, one of more than 1 MiB, another status than 200, or what is no JSON. */
export async function fetchJson(url: string, { timeout, ...question }: Question): Promise<unknown> {
  // loaded by who asks only: to load it is a tenth of a start
  const { request } = await import('undici')
  const answer = await request(url, {
    ...question,
    headersTimeout: timeout,
    bodyTimeout: timeout,
    signal: AbortSignal.timeout(timeout * 2),
  })
  const chunks: Buffer[] = []
  let length = 0
  for await (const chunk of answer.body as AsyncIterable<Buffer>) {
    length += chunk.length
    if (length > longest) throw new Error('its answer is too long')
    chunks.push(chunk)
  }
  if (answer.statusCode !== 200) throw new Error(`it answers ${answer.statusCode}`)
  return JSON.parse(Buffer.concat(chunks).toString('utf8')) as unknown
}
