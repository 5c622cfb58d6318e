/** A real folder, really changed. */
import { mkdir, mkdtemp, rename, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { read, recognise } from './read.ts'
import { translate } from './translate.ts'
import type { World } from './world.ts'

let folder = ''
let abort = new AbortController()
beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'gantry-read-'))
  abort = new AbortController()
})
afterEach(async () => {
  abort.abort()
  await rm(folder, { recursive: true, force: true })
})

const gateway = (port: number): string => `http: { port: ${port} }\npolicies: [jwt]\napiEndpoints: { a: { paths: /a } }
pipelines: { a: { apiEndpoints: [a], policies: [{ jwt: { action: { secretOrPublicKeyFile: ${join('keys', 'jwt.txt')} } } }] } }\n`

function follow(environment: Record<string, string> = {}): AsyncGenerator<World> {
  return read({ kind: 'folder', path: folder, environment }, abort.signal)
}

async function next(worlds: AsyncGenerator<World>): Promise<World> {
  const result = await worlds.next()
  if (result.done === true) throw new Error('there is no further world')
  return result.value
}

it('recognises its folders', async () => {
  expect(await recognise(folder)).toBe(false)
  await writeFile(join(folder, 'gateway.config.json'), '{}')
  expect(await recognise(folder)).toBe(true)
})

it('gives the whole world again after each change: configuration, models, named files', async () => {
  await mkdir(join(folder, 'models'))
  await mkdir(join(folder, 'keys'))
  await writeFile(join(folder, 'gateway.config.yml'), gateway(8080))
  await writeFile(join(folder, 'keys/jwt.txt'), 'one')
  const worlds = follow()
  const first = await next(worlds)
  expect(translate(first)).toMatchObject({ diagnostics: [], model: { listeners: [{ port: 8080 }] } })

  await writeFile(join(folder, 'next.yml'), gateway(8081))
  await rename(join(folder, 'next.yml'), join(folder, 'gateway.config.yml'))
  expect(translate(await next(worlds)).model.listeners[0]?.port).toBe(8081)

  await writeFile(join(folder, 'keys/jwt.txt'), 'two')
  expect((await next(worlds)).files).toEqual({
    'keys/jwt.txt': { kind: 'text', name: 'keys/jwt.txt', text: 'two' },
  })

  await writeFile(join(folder, 'models/users.json'), '{"type":"object","properties":{"team":{"type":"string"}}}')
  const { wishes } = translate(await next(worlds))
  expect(wishes?.expressGateway?.models['users']).toMatchObject({ properties: { team: { type: 'string' } } })

  await rm(join(folder, 'gateway.config.yml'))
  const gone = translate(await next(worlds))
  expect(gone.refused).toBe(true)
  expect(gone.diagnostics[0]?.message).toBe('gateway.config.yml cannot be read: there is no such file')
})

it('follows who is to be populated', async () => {
  await writeFile(join(folder, 'gateway.config.yml'), '{}')
  const worlds = follow()
  expect((await next(worlds)).consumers).toEqual([])
  await writeFile(join(folder, 'consumers.config.js'), 'module.exports = {}')
  const name = 'consumers.config.js'
  expect((await next(worlds)).consumers).toEqual([{ kind: 'text', name, text: 'module.exports = {}' }])
})

it('takes JSON where there is no YAML', async () => {
  await writeFile(join(folder, 'gateway.config.json'), '{"http": {"port": 9000}}')
  const world = await next(follow())
  expect(world.gateway.name).toBe('gateway.config.json')
  expect(translate(world).model.listeners[0]?.port).toBe(9000)
})

it('reads once where nobody shall watch', async () => {
  await writeFile(join(folder, 'gateway.config.yml'), 'http: { port: 1 }')
  const worlds = follow({ EG_DISABLE_CONFIG_WATCH: '1' })
  await next(worlds)
  expect((await worlds.next()).done).toBe(true)
})
