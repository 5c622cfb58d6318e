/** A normalised path, and the target as it was sent → the target that the backend gets; what nginx can say of it. */
import { expect, test } from 'vitest'
import type { CompileContext } from '../policy.ts'
import { bench } from '../testing.ts'
import { targetPath } from './policy.ts'

async function seen(config: object, path: string): Promise<string | undefined> {
  const server = await bench({ uses: [{ policy: 'normal-request' }, { policy: 'target-path', config }] })
  try {
    return (await server.call({ path })).seen?.target
  } finally {
    await server.stop()
  }
}

test('the front is replaced, in its normal form', async () => {
  expect(await seen({ from: '/shop/', to: '/' }, '/sh%6Fp//a/b?x=1')).toBe('/a/b?x=1')
})

test('what does not begin with it goes as it was sent', async () => {
  expect(await seen({ from: '/shop/', to: '/' }, '/oth%65r//x')).toBe('/oth%65r//x')
})

test('without another front, everything goes as it was sent', async () => {
  expect(await seen({ from: '/' }, '/sh%6Fp//x?q=%2f')).toBe('/sh%6Fp//x?q=%2f')
})

test.each([
  ['/a//b', 'nginx would write'],
  ['/$host', 'nginx would read'],
  ['/%ff', 'cannot be written|nginx would'],
])('nginx cannot put %s there, and says so', (to, why) => {
  // nothing of the context is asked for
  const piece = targetPath.nginx({ from: '/a', to }, {} as CompileContext)
  expect('unsupported' in piece && piece.unsupported).toMatch(new RegExp(why))
})
