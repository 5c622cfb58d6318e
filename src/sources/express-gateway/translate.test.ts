/** fixtures/x.yml (and x.system.yml) → x.model and x.diag. UPDATE=1 writes them anew: read what it wrote. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { describe, expect, it } from 'vitest'
import { placeOf } from '../../model/diagnostic.ts'
import { printModel } from '../../model/text.ts'
import { referencedFiles } from './references.ts'
import { translate } from './translate.ts'
import type { TextFile, World } from './world.ts'

const folder = new URL('./fixtures/', import.meta.url)
const names = readdirSync(folder)
  .filter((name) => /^[^.]+\.yml$/.test(name))
  .map((name) => name.replace(/\.yml$/, ''))

function worldOf(name: string): World {
  const text = (file: string, as: string): TextFile => {
    const path = new URL(file, folder)
    return existsSync(path)
      ? { kind: 'text', name: as, text: readFileSync(path, 'utf8') }
      : { kind: 'missing', name: as }
  }
  const environment = { SET: 'val', ADDRESS: '127.0.0.1' }
  const gateway = text(`${name}.yml`, 'gateway.config.yml')
  const system = text(`${name}.system.yml`, 'system.config.yml')
  const missing = (model: string): TextFile => ({ kind: 'missing', name: `models/${model}.json` })
  const files = referencedFiles({ gateway, system, environment }).map((file): [string, TextFile] => [
    file,
    file.startsWith('missing') ? { kind: 'missing', name: file } : { kind: 'text', name: file, text: `PEM ${file}\n` },
  ])
  return {
    folder: '/etc/gateway',
    environment,
    gateway,
    system,
    models: { users: missing('users'), applications: missing('applications'), credentials: missing('credentials') },
    files: Object.fromEntries(files),
    ownPlugins: [],
  }
}

function expectFile(name: string, text: string): void {
  const path = new URL(name, folder)
  if (process.env['UPDATE'] === '1') {
    if (text !== '') writeFileSync(path, text)
    return
  }
  expect(text).toBe(existsSync(path) ? readFileSync(path, 'utf8') : '')
}

it.each(names)('%s', (name) => {
  const { model, diagnostics, refused } = translate(worldOf(name))
  expectFile(`${name}.model`, refused === true ? '' : printModel(model, { secrets: 'redact' }))
  const lines = diagnostics.map(({ severity, code, message, hint, origin }) => {
    const place = origin === undefined ? '' : `${placeOf(origin)}: `
    return `${place}${severity} ${code}\n  ${message}\n${hint === undefined ? '' : `  hint: ${hint}\n`}`
  })
  expectFile(`${name}.diag`, lines.join(''))
})

it('gives the same translation for the same world', () => {
  const world = worldOf('proxy')
  expect(translate(world)).toBe(translate(world))
  expect(translate({ ...world })).toEqual(translate(world))
})

it('asks for what the system configuration says', () => {
  const { wishes } = translate(worldOf('plugins'))
  expect(wishes?.store).toMatchObject({ kind: 'memory', namespace: 'EG', crypto: { saltRounds: 10 } })
  expect(wishes?.plugins?.map(({ name }) => name)).toEqual(['mine', 'scopes', 'metrics', 'healthcheck'])
  expect(wishes?.plugins?.[0]).toEqual({
    name: 'mine',
    package: './mine',
    settings: { package: './mine' },
    from: '/etc/gateway',
  })
  expect(wishes?.admin).toBeUndefined()
})

describe('a proxy between gateway and services', () => {
  const proxied = (action: string, environment: Record<string, string> = {}) => {
    const text = `http: { port: 1 }
policies: [proxy]
apiEndpoints: { a: { paths: /a } }
serviceEndpoints: { s: { url: 'https://s' } }
pipelines: { a: { apiEndpoints: [a], policies: [{ proxy: { action: { serviceEndpoint: s${action} } } }] } }
`
    const { model, diagnostics } = translate({
      ...worldOf('proxy'),
      environment,
      gateway: { kind: 'text', name: 'gateway.config.yml', text },
    })
    return { backends: model.backends, diagnostics }
  }

  it('is what proxyUrl says', () => {
    const { backends, diagnostics } = proxied(', proxyUrl: "http://me:p%40ss@proxy.example:3128"')
    expect(diagnostics).toEqual([])
    expect(backends).toMatchObject([
      {
        id: 'express-gateway/s@http://proxy.example:3128',
        tls: { serverName: 's' },
        via: { protocol: 'http', host: 'proxy.example', port: 3128 },
      },
    ])
    expect(backends[0]?.via?.authorization?.reveal()).toBe(`Basic ${Buffer.from('me:p@ss').toString('base64')}`)
  })

  it('is what http_proxy says before proxyUrl, and no_proxy changes nothing: both are said, without a value', () => {
    const environment = { HTTP_PROXY: 'user:secret@proxy.example:8080', no_proxy: 's' }
    const { backends, diagnostics } = proxied(', proxyUrl: "https://other"', environment)
    expect(backends[0]?.via).toMatchObject({ protocol: 'http', host: 'proxy.example', port: 8080 })
    expect(diagnostics).toMatchObject([
      { code: 'express-gateway/http-proxy', severity: 'info' },
      { code: 'express-gateway/no-proxy', severity: 'warning' },
    ])
    expect(JSON.stringify([diagnostics, backends])).not.toContain('secret')
    expect(proxied('', { http_proxy: '', no_proxy: '*' })).toMatchObject({ diagnostics: [] })
  })

  it.each(['socks5://proxy:1080', 'pac+http://proxy/wpad.dat', 'http://no host', 'http://proxy:99999'])(
    'cannot be %s: an error that does not repeat it',
    (url) => {
      const { diagnostics } = proxied(`, proxyUrl: "${url}"`)
      expect(diagnostics).toMatchObject([{ code: 'express-gateway/proxy-url', severity: 'error' }])
      expect(JSON.stringify(diagnostics)).not.toContain(url)
    },
  )
})

describe('what the defaults of the store cost', () => {
  const said = (system: string, policies = '[oauth2]') =>
    translate({
      ...worldOf('proxy'),
      gateway: { kind: 'text', name: 'gateway.config.yml', text: `http: { port: 1 }\npolicies: ${policies}\n` },
      system: { kind: 'text', name: 'system.config.yml', text: system },
    }).diagnostics.map(({ severity, code }) => `${severity} ${code}`)

  it.each([
    ['{}', 'warning express-gateway/default-cipher-key'],
    ['db: { redis: { host: r } }', 'warning express-gateway/default-cipher-key'],
    ['crypto: { cipherKey: sensitiveKey }', 'warning express-gateway/default-cipher-key'],
    ['crypto: { cipherKey: "own and long" }', undefined],
    ['db: { redis: { emulate: true } }', 'info express-gateway/emulated'],
  ])('%s', (system, expected) => {
    expect(said(system)).toEqual(expected === undefined ? [] : [expected])
  })

  it('does not concern who issues no tokens', () => {
    expect(said('{}', '[key-auth]')).toEqual([])
  })
})

it('says that toProxy has no effect, where it is switched on', () => {
  const text = (toProxy: boolean): string => `http: { port: 1 }
policies: [proxy]
apiEndpoints: { a: { paths: /a } }
serviceEndpoints: { s: { url: 'http://s' } }
pipelines: { a: { apiEndpoints: [a], policies: [{ proxy: { action: { serviceEndpoint: s, toProxy: ${toProxy} } } }] } }
`
  const said = (toProxy: boolean) =>
    translate({
      ...worldOf('proxy'),
      gateway: { kind: 'text', name: 'gateway.config.yml', text: text(toProxy) },
    }).diagnostics.map(({ code }) => code)
  expect(said(true)).toEqual(['express-gateway/proxy-option'])
  expect(said(false)).toEqual([])
})
