/** Plans → what a real nginx serves, and what it serves on when something fails. */
import { chmodSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import http from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { freePort } from '../../../test/servers/port.ts'
import { emptyModel, type Model } from '../../model/model.ts'
import { compileCondition } from '../../policies/conditions.ts'
import { policies } from '../../policies/list.ts'
import { createEngine } from '../engine/engine.ts'
import { createTestServices } from '../engine/testing.ts'
import type { Target } from '../target.ts'
import { createNginx, type Nginx } from './nginx.ts'

const origin = { source: 'test' }
let room = ''
let port = 0
let nginx: Nginx
let events: { code: string; message: string }[] = []

beforeEach(async () => {
  room = mkdtempSync(join(tmpdir(), 'nginx-test-'))
  port = await freePort()
  events = []
  // an nginx that refuses every text while the file `refuse` is there, and takes its time while `wait` is
  const program = join(room, 'program')
  writeFileSync(
    program,
    `#!/bin/sh\n[ "$1" = -t ] && while [ -e ${room}/wait ]; do sleep 0.05; done\n[ "$1" = -t ] && [ -e ${room}/refuse ] && { echo "it is broken" >&2; exit 1; }\nexec nginx "$@"\n`,
  )
  chmodSync(program, 0o755)
  chmodSync(room, 0o711)
  const services = createTestServices(events)
  const engine = createEngine({ policies, services, conditions: compileCondition }) as Target<unknown>
  nginx = createNginx({
    policies,
    services,
    engine,
    folder: join(room, 'run'),
    certificateFolder: join(room, 'ssl'),
    program,
    workers: 1,
  })
})

afterEach(async () => {
  await nginx.stop(0)
  rmSync(room, { recursive: true, force: true })
})

test('serves, and is not reloaded where the text is the same', async () => {
  expect((await apply(model('one'))).kind).toBe('applied')
  expect(await get('/')).toEqual([200, 'one'])
  const pid = nginx.pid
  const before = readFileSync(join(room, 'run/nginx.conf'), 'utf8')
  expect((await apply(model('one'))).kind).toBe('applied')
  expect(nginx.pid).toBe(pid)
  expect(readFileSync(join(room, 'run/nginx.conf'), 'utf8')).toBe(before)
  expect((await apply(model('two'))).kind).toBe('applied')
  // workers of before take a last connection or two
  await until(async () => (await get('/'))[1] === 'two')
  expect(nginx.pid).toBe(pid)
})

test('what it cannot do is served by the engine behind, and said', async () => {
  expect((await apply(model('one'))).kind).toBe('applied')
  expect(await get('/re7')).toEqual([200, 'expression'])
  expect(nginx.served()).toContainEqual({ route: 'expression', by: 'engine', why: 'it matches by an expression' })
  expect(nginx.served()).toContainEqual({ route: 'plain', by: 'both', why: 'the expression of expression may take it' })
})

test('a path of few signs and many bytes is one that nginx does not read', async () => {
  const routes = model('one').routes.slice(1)
  const paths = ['/' + 'a'.repeat(1999), '/' + '€'.repeat(1999)]
  for (const [at, value] of paths.entries()) {
    const long = { ...routes[0]!, id: `long${at}`, match: { path: { kind: 'exact' as const, value } } }
    expect((await apply({ ...model('one'), routes: [long] })).kind).toBe('applied')
    expect(nginx.served()).toEqual([
      at === 0
        ? { route: 'long0', by: 'nginx' }
        : { route: 'long1', by: 'engine', why: 'nginx reads no path of this length' },
    ])
  }
})

test('a text that nginx refuses leaves the last good one', async () => {
  await apply(model('one'))
  writeFileSync(join(room, 'refuse'), '')
  const applied = await apply(model('two'))
  expect(applied).toMatchObject({ kind: 'refused', diagnostics: [{ code: 'nginx/refused' }] })
  expect(await get('/')).toEqual([200, 'one'])
  expect(await get('/re7')).toEqual([200, 'expression'])
  rmSync(join(room, 'refuse'))
  expect((await apply(model('two'))).kind).toBe('applied')
  // workers of before take a last connection or two
  await until(async () => (await get('/'))[1] === 'two')
})

test('a program that cannot be started is the fault of who named it', async () => {
  rmSync(join(room, 'program'))
  const diagnostic = {
    code: 'nginx/not-started',
    message: expect.stringMatching(/program cannot be started: .*ENOENT; nothing is served yet$/) as string,
    hint: expect.stringContaining('GANTRY_NGINX') as string,
  }
  expect(await apply(model('one'))).toMatchObject({ kind: 'refused', diagnostics: [diagnostic] })
})

test('the engine behind is there for as long as nginx sends something on', async () => {
  const sockets = (): readonly string[] => readdirSync(join(room, 'run')).filter((name) => name.startsWith('engine'))
  for (const left of ['two', 'closed'] as const) {
    // where no worker of before answers
    port = await freePort()
    await apply(model('one'))
    expect(sockets()).toHaveLength(1)
    writeFileSync(join(room, 'wait'), '')
    const { listeners, routes } = model('two')
    // what nginx does alone
    const normal = { policy: 'normal-request', config: {}, origin }
    const alone = { listeners: listeners.map((one) => ({ ...one, policies: [normal] })), routes: routes.slice(1) }
    const applied = apply({ ...emptyModel, ...(left === 'two' ? alone : {}) })
    await until(() => Promise.resolve(existsSync(join(room, 'run/nginx.conf.candidate'))))
    expect(await get('/re7')).toEqual([200, 'expression'])
    rmSync(join(room, 'wait'))
    expect((await applied).kind).toBe('applied')
    await until(async () => (await get('/re7').catch(() => [0, 'closed']))[1] === left)
    expect(sockets()).toEqual([])
  }
})

test('stopped while it looks at a configuration, it starts no nginx', async () => {
  writeFileSync(join(room, 'wait'), '')
  const applied = apply(model('one'))
  await until(() => Promise.resolve(existsSync(join(room, 'run/nginx.conf.candidate'))))
  await nginx.stop(0)
  rmSync(join(room, 'wait'))
  expect((await applied).kind).toBe('refused')
  expect(nginx.pid).toBeUndefined()
  await expect(get('/')).rejects.toThrow()
})

test('a file that cannot be written leaves the last good one', async () => {
  await apply(model('one'))
  // a folder in the way of the file: nobody can write there, not even root
  rmSync(join(room, 'run/nginx.conf.candidate.next'), { force: true, recursive: true })
  const { mkdirSync } = await import('node:fs')
  mkdirSync(join(room, 'run/nginx.conf.candidate.next'))
  mkdirSync(join(room, 'run/nginx.conf.candidate.next/inside'))
  const applied = await apply(model('two'))
  expect(applied).toMatchObject({ kind: 'refused', diagnostics: [{ code: 'nginx/not-written' }] })
  expect(await get('/')).toEqual([200, 'one'])
})

test('nginx is started again when it is killed, with its workers', async () => {
  await apply(model('one'))
  const killed = nginx.pid!
  process.kill(killed, 'SIGKILL')
  await until(
    async () => nginx.pid !== undefined && nginx.pid !== killed && (await get('/').catch(() => undefined))?.[0] === 200,
  )
  expect(events.some(({ code }) => code === 'nginx/ended')).toBe(true)
  expect((await apply(model('two'))).kind).toBe('applied')
  // workers of before take a last connection or two
  await until(async () => (await get('/'))[1] === 'two')
})

test('nothing is left behind of the certificates but what is used', async () => {
  await apply(model('one'))
  expect(existsSync(join(room, 'ssl')) ? readdirSync(join(room, 'ssl')) : []).toEqual([])
})

function model(words: string): Model {
  return {
    ...emptyModel,
    listeners: [{ id: 'l', address: '127.0.0.1', port, protocol: 'http', origin }],
    routes: [
      {
        id: 'expression',
        listeners: ['l'],
        match: { path: { kind: 'regexp', source: '^/re[0-9]$' } },
        policies: [],
        action: { kind: 'reply', status: 200, body: 'expression' },
        origin,
      },
      {
        id: 'plain',
        listeners: ['l'],
        match: { path: { kind: 'start', value: '/' } },
        policies: [],
        action: { kind: 'reply', status: 200, body: words },
        origin,
      },
    ],
  }
}

let plans = 0
function apply(given: Model): ReturnType<Nginx['apply']> {
  return nginx.apply(nginx.compile({ id: `plan-${++plans}`, model: given }).artifact)
}

function get(path: string): Promise<[number, string]> {
  return new Promise((done, fail) => {
    http
      .get({ host: '127.0.0.1', port, path, agent: false }, (answer) => {
        let text = ''
        answer.setEncoding('utf8')
        answer.on('data', (chunk: string) => (text += chunk))
        answer.on('end', () => done([answer.statusCode ?? 0, text]))
      })
      .on('error', fail)
  })
}

async function until(holds: () => Promise<boolean>): Promise<void> {
  for (let tries = 0; tries < 300; tries++) {
    if (await holds()) return
    await sleep(20)
  }
  throw new Error('it never came')
}
