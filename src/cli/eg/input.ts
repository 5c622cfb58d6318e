/** What the user gives: `-p key=value`, lines of JSON on stdin, answers to questions. */
import { createInterface } from 'node:readline'
import type { Json } from './client.ts'
import type { ModelProperty } from './config.ts'
import type { Session } from './session.ts'

/** Undefined, and said, where one of them is no `key=value`. */
export function propertiesOf(session: Session, given: readonly string[]): Json | undefined {
  const properties: Json = {}
  for (const option of given) {
    const equals = option.indexOf('=')
    if (equals < 1) {
      session.mistake(`invalid property option: ${option}`)
      return undefined
    }
    properties[option.slice(0, equals)] = option.slice(equals + 1)
  }
  return properties
}

/** Values that are JSON are read as such: `-p autoGeneratePassword=false`. */
export function withJsonValues(properties: Json): Json {
  return Object.fromEntries(
    Object.entries(properties).map(([name, value]) => {
      try {
        return [name, JSON.parse(String(value)) as unknown]
      } catch {
        return [name, value]
      }
    }),
  )
}

/** One object a line; a line that is none is said and passed over. */
export async function* stdinObjects(session: Session): AsyncGenerator<Json> {
  for await (const line of createInterface({ input: process.stdin, crlfDelay: Infinity })) {
    if (line.trim() === '') continue
    let value: unknown
    try {
      value = JSON.parse(line)
    } catch {
      value = undefined
    }
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) yield value as Json
    else session.mistake(`not a JSON object: ${line}`)
  }
}

/** Asks for them on a terminal; without one they are said to be missing. Undefined: given up. */
export async function ask(session: Session, properties: readonly ModelProperty[]): Promise<Json | undefined> {
  if (process.stdin.isTTY !== true) {
    const names = properties.filter(({ required }) => required).map(({ name }) => name)
    session.mistake(`missing: ${names.map((name) => `-p ${name}=…`).join(' ')}`)
    return undefined
  }
  const { isCancel, text } = await import('@clack/prompts')
  const answers: Json = {}
  for (const { name, required } of properties) {
    const validate = (value: string | undefined) =>
      required && (value ?? '') === '' ? `${name} is required` : undefined
    const answer = await text({ message: `Choose ${name}${required ? '' : ' (may be left out)'}`, validate })
    if (isCancel(answer)) {
      session.mistake('given up')
      return undefined
    }
    if (answer !== undefined && answer !== '') answers[name] = answer
  }
  return answers
}
