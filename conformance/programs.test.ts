/** go.mod files → versions; environment → the cache folder. */
import { afterEach, describe, expect, it, vi } from 'vitest'
import { freePorts, kubeconfigText } from './lab.ts'
import { cacheFolder, requiredVersion } from './programs.ts'
import { missingTools, requireTools } from './tools.ts'

afterEach(() => vi.unstubAllEnvs())

describe('requiredVersion', () => {
  it('reads single requirements, blocks and comments', () => {
    const text =
      'module m\n\nrequire a.example/x v1.2.3\n\nrequire (\n\tb.example/y v0.1.0 // indirect\n)\nreplace c => c v9.9.9\n'
    expect(requiredVersion(text, 'a.example/x')).toBe('v1.2.3')
    expect(requiredVersion(text, 'b.example/y')).toBe('v0.1.0')
    expect(requiredVersion(text, 'c')).toBeUndefined()
  })
})

describe('cacheFolder', () => {
  it('is named by GANTRY_CACHE, then XDG_CACHE_HOME', () => {
    vi.stubEnv('GANTRY_CACHE', undefined)
    vi.stubEnv('XDG_CACHE_HOME', '/x')
    expect(cacheFolder()).toBe('/x/gantry')
    vi.stubEnv('GANTRY_CACHE', '/g')
    expect(cacheFolder()).toBe('/g')
  })
})

describe('tools', () => {
  it('are searched on PATH and in root’s folders', () => {
    vi.stubEnv('PATH', '/nowhere')
    expect(missingTools(['no-such-program-here'])).toEqual(['no-such-program-here'])
    vi.unstubAllEnvs()
    expect(missingTools(['node'])).toEqual([])
  })
  it('names programs and packages where nobody may install them', async () => {
    vi.spyOn(process, 'getuid').mockReturnValue(1000)
    await expect(requireTools({ 'no-such-program-here': 'some-package' }, () => undefined)).rejects.toThrow(
      /no-such-program-here.*some-package/,
    )
    vi.restoreAllMocks()
  })
})

it('freePorts are different', async () => expect(new Set(await freePorts(20)).size).toBe(20))

it('a kubeconfig carries its certificate in itself', () => {
  const text = JSON.parse(kubeconfigText('https://127.0.0.1:1', 'PEM', 't')) as {
    clusters: [{ cluster: Record<string, string> }]
  }
  expect(text.clusters[0].cluster['certificate-authority-data']).toBe(Buffer.from('PEM').toString('base64'))
})
