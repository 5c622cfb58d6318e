/**
 * What control plane and data plane say to each other, one JSON text a message. Types, and strict readers. A plan has each
 * member of its lists on a line of its own, which is nothing to JSON; so a data plane parses it in pieces.
 */
import type { Work } from '../lib/turns.ts'
import type { Diagnostic } from '../model/diagnostic.ts'
import { decode, encode, type Delta, type Edit } from '../model/encode.ts'
import type { Model } from '../model/model.ts'

/** Bumped when an older side could misread the other. */
export const protocolVersion = 2

/** Control plane → data plane. */
export type Downward =
  | { readonly kind: 'snapshot'; readonly plan: string; readonly model: Model }
  /** Fits only the plan `from`; a data plane that has another asks for a snapshot by closing. */
  | { readonly kind: 'delta'; readonly from: string; readonly plan: string; readonly delta: Delta }

/** Data plane → control plane. */
export type Upward =
  | {
      readonly kind: 'hello'
      readonly version: number
      readonly fleet: string
      readonly name: string
      readonly plan: string | undefined
    }
  | { readonly kind: 'applied'; readonly plan: string }
  | { readonly kind: 'refused'; readonly plan: string; readonly diagnostics: readonly Diagnostic[] }

export function writeMessage(message: Downward | Upward): string {
  switch (message.kind) {
    case 'snapshot':
      return record(message, (name, value) =>
        name === 'model' ? record(message.model, (_, list) => lines(list)) : encode(value),
      )
    case 'delta':
      return record(message, (name, value) =>
        name === 'delta' ? record(message.delta, (_, edits) => editsText(edits)) : encode(value),
      )
    default:
      return encode(message)
  }
}

function record<Value>(
  object: Readonly<Record<string, Value>> | object,
  text: (name: string, value: Value) => string,
): string {
  const parts = Object.entries(object as Readonly<Record<string, Value>>).filter(([, value]) => value !== undefined)
  return `{${parts.map(([name, value]) => `${JSON.stringify(name)}:${text(name, value)}`).join(',')}}`
}

function lines(list: unknown): string {
  return Array.isArray(list) && list.length > 0 ? `[\n${list.map(encode).join(',\n')}\n]` : encode(list)
}

function editsText(edits: readonly Edit[]): string {
  return `[${edits.map((edit) => ('insert' in edit ? record(edit, (_, list) => lines(list)) : encode(edit))).join(',')}]`
}

/** Throws for what is no message of ours. A message without lines, as an older control plane writes it, is one piece. */
export function* readDownward(bytes: Buffer): Work<Downward> {
  const runs = new Runs()
  let frame = ''
  for (let from = 0; from < bytes.length;) {
    const newline = bytes.indexOf(0x0a, from)
    const end = newline === -1 ? bytes.length : newline
    const line = bytes.toString('utf8', from, end)
    if (from > 0 && line.startsWith('{')) {
      frame += runs.add(line)
      yield
    } else {
      runs.end()
      frame += line
    }
    from = end + 1
  }
  runs.end()
  const message = objectOf(frame)
  if (typeof message['plan'] !== 'string') throw notOfControlPlane()
  switch (message['kind']) {
    case 'snapshot': {
      const model = runs.inLists(message['model'])
      runs.allFound()
      return { ...message, model } as unknown as Downward
    }
    case 'delta': {
      const delta: Record<string, unknown> = {}
      for (const [name, edits] of Object.entries(asObject(message['delta']))) {
        if (!Array.isArray(edits)) throw notOfControlPlane()
        delta[name] = edits.map((edit: unknown) => runs.inLists(edit))
      }
      runs.allFound()
      return { ...message, delta } as unknown as Downward
    }
    default:
      throw notOfControlPlane()
  }
}

/** Runs of members, each on its line: read one by one, and put where a number stands for them in the frame around. */
class Runs {
  readonly #runs: unknown[][] = []
  #last: unknown[] | undefined
  #more = false
  #found = 0

  /** What stands for it in the frame. */
  add(line: string): string {
    const first = this.#last === undefined
    if (!first && !this.#more) throw new SyntaxError('a comma is missing between two lines')
    if (this.#last === undefined) this.#runs.push((this.#last = []))
    this.#more = line.endsWith(',')
    this.#last.push(decode(this.#more ? line.slice(0, -1) : line))
    return first ? String(this.#runs.length - 1) : ''
  }

  end(): void {
    if (this.#more) throw new SyntaxError('no line follows a comma')
    this.#last = undefined
  }

  /** Lists of the object, whole again. */
  inLists(object: unknown): Readonly<Record<string, unknown>> {
    const whole = Object.entries(asObject(object)).map(([name, value]): [string, unknown] => {
      if (!Array.isArray(value) || typeof value[0] !== 'number') return [name, value]
      const run = value.length === 1 ? this.#runs[value[0]] : undefined
      if (run === undefined) throw notOfControlPlane()
      this.#found++
      return [name, run]
    })
    return Object.fromEntries(whole)
  }

  allFound(): void {
    if (this.#found !== this.#runs.length) throw notOfControlPlane()
  }
}

function notOfControlPlane(): TypeError {
  return new TypeError('not a message of a control plane')
}

export function readUpward(text: string): Upward {
  const message = objectOf(text)
  switch (message['kind']) {
    case 'hello':
      if (
        typeof message['version'] === 'number' &&
        typeof message['fleet'] === 'string' &&
        typeof message['name'] === 'string'
      )
        return message as unknown as Upward
      break
    case 'applied':
      if (typeof message['plan'] === 'string') return message as unknown as Upward
      break
    case 'refused':
      if (typeof message['plan'] === 'string' && Array.isArray(message['diagnostics']))
        return message as unknown as Upward
      break
  }
  throw new TypeError('not a message of a data plane')
}

function objectOf(text: string): Readonly<Record<string, unknown>> {
  return asObject(decode(text))
}

function asObject(value: unknown): Readonly<Record<string, unknown>> {
  if (typeof value !== 'object' || value === null) throw new TypeError('not a message')
  return value as Readonly<Record<string, unknown>>
}
