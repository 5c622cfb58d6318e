/** What control plane and data plane say to each other, one JSON text a message. Types, and strict readers. */
import type { Diagnostic } from '../model/diagnostic.ts'
import { decode, encode, type Delta } from '../model/encode.ts'
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
  return encode(message)
}

/** Throws for what is no message of ours. */
export function readDownward(text: string): Downward {
  const message = objectOf(text)
  switch (message['kind']) {
    case 'snapshot':
    case 'delta':
      if (typeof message['plan'] === 'string') return message as unknown as Downward
      break
  }
  throw new TypeError('not a message of a control plane')
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
  const value = decode(text)
  if (typeof value !== 'object' || value === null) throw new TypeError('not a message')
  return value as Readonly<Record<string, unknown>>
}
