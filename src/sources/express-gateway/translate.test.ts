/** fixtures/x.yml (and x.system.yml) → x.model and x.diag. UPDATE=1 writes them anew: read what it wrote. */
import { existsSync, readdirSync, readFileSync, writeFileSync } from 'node:fs'
import { expect, it } from 'vitest'
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

it('says that http_proxy has no effect, without its value', () => {
  const world = worldOf('proxy')
  const http = (environment: Record<string, string>) =>
    translate({ ...world, environment: { ...world.environment, ...environment } }).diagnostics.filter(
      ({ code }) => code === 'express-gateway/http-proxy',
    )
  expect(http({ HTTP_PROXY: 'http://user:secret@proxy.example:3128' })).toEqual([
    expect.objectContaining({ severity: 'warning', message: expect.stringMatching(/^HTTP_PROXY is set/) as unknown }),
  ])
  expect(JSON.stringify(http({ HTTP_PROXY: 'http://user:secret@proxy.example:3128' }))).not.toContain('secret')
  expect(http({ http_proxy: '' })).toEqual([])
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
