/** What the commands have to say → stdout for data, stderr for words about it. */
import { inspect } from 'node:util'

export class Console {
  readonly #out: (text: string) => void
  readonly #error: (text: string) => void
  color: boolean

  constructor(out: (text: string) => void, error: (text: string) => void, environment: NodeJS.ProcessEnv) {
    this.#out = out
    this.#error = error
    const forced = environment['FORCE_COLOR']
    this.color =
      environment['NO_COLOR'] === undefined && (forced !== undefined ? forced !== '0' : process.stderr.isTTY === true)
  }

  /** As it is. */
  print(text: string): void {
    this.#out(text)
  }

  say(text: string): void {
    this.#error(text)
  }

  /** A line of data: texts bare, lists as Node shows them, objects as JSON. */
  data(value: unknown): void {
    if (typeof value === 'string') this.#out(`${value}\n`)
    else if (Array.isArray(value)) this.#out(`${inspect(value, { colors: false })}\n`)
    else this.#out(`${JSON.stringify(value, undefined, 2)}\n`)
  }

  success(text: string): void {
    this.#error(`${this.#paint(32, '✔')} ${text}\n`)
  }

  failure(text: string): void {
    this.#error(`${this.#paint(31, '✖')} ${text}\n`)
  }

  #paint(code: number, text: string): string {
    return this.color ? `\u001b[${code}m${text}\u001b[39m` : text
  }
}
