/** Paths → their normal form. */
import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { decodedPath, normalPath } from './normal.ts'

describe('normal form', () => {
  test.each([
    ['/', '/'],
    ['/f/1', '/f/1'],
    ['/f/%41', '/f/A'],
    ['/f/a%2Fb', '/f/a/b'],
    ['/f//y', '/f/y'],
    ['/f/', '/f/'],
    ['/f/./z', '/f/z'],
    ['/f/../g/z', '/g/z'],
    ['/f/..', '/'],
    ['/f/.', '/f/'],
    ['/f/%2e%2e/g', '/g'],
    ['/a%20b', '/a%20b'],
    ['/a%3Fb', '/a%3Fb'],
    ['/100%25', '/100%25'],
    ['/é', '/%C3%A9'.replace('C3%A9', 'E9')],
    ['/日', '/%E6%97%A5'],
    ['/.well-known/x', '/.well-known/x'],
    ['/...', '/...'],
  ])('%s → %s', (path, normal) => expect(normalPath(path)).toBe(normal))

  test.each(['/..', '/a/../..', '/%', '/%zz', '/%4', '/%00', 'a', '', '*'])('%j means nothing', (path) =>
    expect(normalPath(path)).toBeUndefined(),
  )

  test('is normal itself, and the short way agrees with the long one', () => {
    const piece = fc.constantFrom('/', '.', '%2e', '%2F', 'a', 'B', '%41', '%20', '~', '%7e', ';', '+', '%', '"', 'é')
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 12 }), (pieces) => {
        const path = `/${pieces.join('')}`
        const normal = normalPath(path)
        if (normal === undefined) return
        expect(normalPath(normal)).toBe(normal)
        expect(normal).toMatch(/^\//)
        expect(normal).not.toMatch(/\/\/|\/\.\.?(\/|$)/)
      }),
    )
  })

  test('what it means can be read back', () => {
    expect(decodedPath('/a%20b')).toBe('/a b')
    expect(decodedPath('/%C3%A9')).toBe('/é')
    expect(decodedPath('/%E9')).toBeUndefined()
  })
})
