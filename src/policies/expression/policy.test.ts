/** A program sees the request, may change it and may answer; what it throws answers 500. */
import { expect, test } from 'vitest'
import { answers, bench } from '../testing.ts'

const uses = (...programs: readonly string[]) =>
  programs.map((program) => ({ policy: 'expression', config: { program } }))

test('what it changes is forwarded, and what it declares is known to the next one', async () => {
  const [answer] = await answers(
    { uses: uses('var a = 1; req.headers["x-one"] = a', 'req.headers["x-two"] = a + 1') },
    [{}],
  )
  expect(answer?.seen?.headers).toMatchObject({ 'x-one': '1', 'x-two': '2' })
})

test('what it sends through res is the answer', async () => {
  const [answer] = await answers({ uses: uses('if (req.url === "/no") res.status(418).send("teapot")') }, [
    { path: '/no' },
  ])
  expect(answer).toMatchObject({ status: 418, body: 'teapot', seen: undefined })
})

test('an error answers 500 and is no way out of the sandbox', async () => {
  const found = await answers({ uses: uses('nobody.there()') }, [{}])
  expect(found[0]).toMatchObject({ status: 500, seen: undefined })
  const escape = 'req.headers["x-process"] = typeof req.constructor.constructor("return typeof process")()'
  const [tried] = await answers({ uses: uses(escape) }, [{}])
  expect(tried?.seen?.headers['x-process'] ?? 'refused').not.toBe('object')
})

test('a program that is no JavaScript is refused when it is compiled', async () => {
  await expect(bench({ uses: uses('if (') })).rejects.toThrow(/policy expression/)
})
