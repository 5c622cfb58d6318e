/** Text with placeholders → text with values, and the way back to the places of the file. */
import { expect, it } from 'vitest'
import { interpolate } from './interpolate.ts'

const environment = { NAME: 'value', EMPTY: '', LINES: 'a\nb' }

it.each([
  ['${NAME}', 'value'],
  ['${EMPTY}', ''],
  ['${EMPTY:-x}', ''],
  ['${NONE:-x}', 'x'],
  ['${NONE}', 'null'],
  ['${NONE:-}', 'null'],
  ['$${NAME}', '$${NAME}'],
  ['${req.ip}', '${req.ip}'],
  ['${LAB-V}', '${LAB-V}'],
  ['a ${NAME} b ${NONE:-c} d', 'a value b c d'],
  ['${NONE:-a}b}', 'ab}'],
])('%s', (text, expected) => {
  expect(interpolate(text, environment).text).toBe(expected)
})

it('finds the way back to the file', () => {
  const text = 'a: ${LINES}\nb: ${NONE:-long default}\nc: 1'
  const { text: result, original } = interpolate(text, environment)
  expect(original(result.indexOf('c: 1'))).toBe(text.indexOf('c: 1'))
  expect(original(result.indexOf('b:'))).toBe(text.indexOf('b:'))
  expect(original(result.indexOf('default'))).toBe(text.indexOf('${NONE'))
  expect(original(0)).toBe(0)
})

it('tells what was not set', () => {
  expect(interpolate('x ${NONE}', environment).unknown).toEqual([{ name: 'NONE', offset: 2 }])
})
