/** Nothing → new names: UUIDs in the spellings that Express Gateway uses. */
import { randomUUID } from 'node:crypto'

const alphabet = '0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ'

export function newId(): string {
  return randomUUID()
}

/** 32 hexadecimal digits: parts of tokens, and authorization codes. */
export function newHexId(): string {
  return randomUUID().replaceAll('-', '')
}

/** 22 characters of base62: key ids and key secrets. */
export function newShortId(): string {
  let number = BigInt(`0x${newHexId()}`)
  let text = ''
  while (text.length < 22) {
    text = alphabet.charAt(Number(number % 62n)) + text
    number /= 62n
  }
  return text
}
