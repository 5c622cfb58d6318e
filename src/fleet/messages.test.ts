/** A plan over a socket: what was written is read, in pieces, by older sides as well, and nothing else is. */
import { expect, test } from 'vitest'
import { atOnce } from '../lib/turns.ts'
import { decode, difference, encode } from '../model/encode.ts'
import { emptyModel, type Model, type Route } from '../model/model.ts'
import { Secret } from '../model/secret.ts'
import { readDownward, writeMessage, type Downward } from './messages.ts'

const origin = { source: 'test' }
const route = (id: string): Route => ({
  id,
  listeners: ['l'],
  match: { path: { kind: 'prefix', value: '/line\nbreak, [1] {"ä' } },
  policies: [{ policy: 'x', config: { list: [7], text: '{\n', none: [], nested: [[1]] }, origin }],
  action: { kind: 'reply', status: 200 },
  origin,
})
const before: Model = { ...emptyModel, routes: Array.from({ length: 200 }, (_, at) => route(`r${at}`)) }
const after: Model = {
  ...before,
  routes: before.routes.toSpliced(20, 1, route('new'), route('newer')).toSpliced(90, 5).concat(route('last')),
  certificates: [{ id: 'c', certificate: 'PEM', key: new Secret('private'), origin }],
}
const messages: readonly Downward[] = [
  { kind: 'snapshot', plan: 'p', model: emptyModel },
  { kind: 'snapshot', plan: 'p', model: after },
  { kind: 'delta', from: 'o', plan: 'p', delta: difference(before, after) },
  { kind: 'delta', from: 'o', plan: 'p', delta: difference(after, emptyModel) },
]
const read = (text: string): Downward => atOnce(readDownward(Buffer.from(text)))

test.each(messages)('$kind: both ways, and with sides that know no lines', (message) => {
  const text = writeMessage(message)
  expect(encode(read(text))).toBe(encode(message))
  expect(encode(read(encode(message)))).toBe(encode(message))
  expect(encode(decode(text))).toBe(encode(message))
})

test('a secret is one again', () => {
  const message = read(writeMessage({ kind: 'snapshot', plan: 'p', model: after }))
  const [certificate] = message.kind === 'snapshot' ? message.model.certificates : []
  expect(certificate?.key).toBeInstanceOf(Secret)
})

test('one piece for each member', () => {
  let pieces = 0
  for (const _ of readDownward(Buffer.from(writeMessage({ kind: 'snapshot', plan: 'p', model: before })))) pieces++
  expect(pieces).toBe(before.routes.length)
})

test.each([
  ['a comma is missing', '{"kind":"snapshot","plan":"p","model":{"routes":[\n{}\n{}\n]}}'],
  ['a comma too many', '{"kind":"snapshot","plan":"p","model":{"routes":[\n{},\n]}}'],
  ['half a member', '{"kind":"snapshot","plan":"p","model":{"routes":[\n{"id":\n]}}'],
  ['a number that stands for nothing', '{"kind":"snapshot","plan":"p","model":{"routes":[0]}}'],
  ['lines that stand nowhere', '{"kind":"snapshot","plan":"p","more":[\n{}\n],"model":{"routes":[]}}'],
  ['edits that are none', '{"kind":"delta","plan":"p","from":"o","delta":{"routes":7}}'],
  ['no plan', '{"kind":"snapshot","model":{}}'],
  ['another kind', '{"kind":"hello","plan":"p"}'],
  ['cut off', writeMessage({ kind: 'snapshot', plan: 'p', model: before }).slice(0, -20)],
])('%s: refused', (_, text) => {
  expect(() => read(text)).toThrow(/./)
})
