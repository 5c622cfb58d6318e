/** Real processes behind one port: exact counters, swaps, deaths, a port in use; and plans that survive the way there. */
import cluster from 'node:cluster'
import { mkdtempSync, rmSync } from 'node:fs'
import http from 'node:http'
import net, { type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { inspect } from 'node:util'
import { afterEach, describe, expect, test } from 'vitest'
import { emptyModel, type Model, type Route } from '../model/model.ts'
import { createTestServices } from '../targets/engine/testing.ts'
import { startWorkers, type Workers } from './primary.ts'

const origin = { source: 'test' }
const cleanups: (() => unknown)[] = []

afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

function modelOf(port: number, body: string | undefined): Model {
  const route: Route = {
    id: 'all',
    listeners: ['l'],
    match: {},
    policies: body === undefined ? [{ policy: 'count', config: {}, origin }] : [],
    action: { kind: 'reply', status: 200, ...(body === undefined ? {} : { body }) },
    origin,
  }
  return {
    ...emptyModel,
    listeners: [{ id: 'l', address: '127.0.0.1', port, protocol: 'http', origin }],
    routes: [route],
  }
}

async function start(): Promise<{ workers: Workers; folder: string; events: { code: string; message: string }[] }> {
  const events: { code: string; message: string }[] = []
  const services = createTestServices(events)
  const folder = mkdtempSync(join(tmpdir(), 'gantry-workers-'))
  cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
  const workers = await startWorkers({
    count: 2,
    program: fileURLToPath(new URL('test-worker.ts', import.meta.url)),
    execArgv: ['--import', 'tsx'],
    compile: (plan) => ({ artifact: plan, diagnostics: [] }),
    folder,
    events: services.events,
  })
  cleanups.push(() => workers.stop(0))
  return { workers, folder, events }
}

/** On a connection of its own, so that the next one may go to another worker. */
function get(port: number): Promise<string> {
  return new Promise((resolve, reject) => {
    const request = http.get({ host: '127.0.0.1', port, agent: false, timeout: 2000 }, (response) => {
      let text = ''
      response.on('data', (chunk: Buffer) => {
        text += chunk.toString()
      })
      response.on('end', () => resolve(text))
    })
    // node:cluster forgets a connection that it was handing to a worker when that died
    request.on('timeout', () => request.destroy(new Error('no answer')))
    request.on('error', reject)
  })
}

describe('workers', () => {
  test('share a port and count as one; a plan reaches all; a dead one is replaced and serves the same', async () => {
    const { workers, events } = await start()
    const plan = { id: '1', model: modelOf(0, undefined) }
    expect(await workers.apply(workers.compile(plan).artifact)).toEqual({ kind: 'applied', diagnostics: [] })
    const { port } = workers.addresses().get('l')!
    const answers = await Promise.all(Array.from({ length: 200 }, () => get(port)))
    expect(answers.map((answer) => Number(answer.split(' ')[0])).sort((a, b) => a - b)).toEqual(
      Array.from({ length: 200 }, (_, at) => at + 1),
    )
    expect(new Set(answers.map((answer) => answer.split(' ')[1])).size).toBe(2)

    const [victim] = workers.pids()
    process.kill(victim!, 'SIGKILL')
    while (workers.pids().includes(victim!) || workers.pids().length < 2) await get(port).catch(() => undefined)
    expect(events.map((event) => event.code)).toContain('workers/died')
    const after = await Promise.all(Array.from({ length: 20 }, () => get(port)))
    expect(new Set(after.map((answer) => answer.split(' ')[1])).size).toBe(2)

    const listeners = plan.model.listeners.map((listener) => ({ ...listener, port: 0 }))
    await workers.apply({ id: '2', model: { ...modelOf(0, 'new'), listeners } })
    const now = workers.addresses().get('l')!.port
    expect(await Promise.all(Array.from({ length: 6 }, () => get(now)))).toEqual(Array.from({ length: 6 }, () => 'new'))
  })

  test('go on as one, from zero, where a cleaner has taken their ledger; who comes later, too', async () => {
    const { workers, folder, events } = await start()
    await workers.apply({ id: '1', model: modelOf(0, undefined) })
    const { port } = workers.addresses().get('l')!
    const before = 200
    for (let at = 1; at <= before; at++) expect(Number.parseInt(await get(port), 10)).toBe(at)
    rmSync(folder, { recursive: true })
    const moved = new Set<string | undefined>()
    while (moved.size < 2) {
      const [sum, pid] = (await get(port)).split(' ')
      if (Number(sum) < before) moved.add(pid)
    }
    expect(events.map((event) => event.code)).toEqual(['workers/ledger'])
    const [victim] = workers.pids()
    process.kill(victim!, 'SIGKILL')
    while (workers.pids().includes(victim!) || workers.pids().length < 2) await get(port).catch(() => undefined)
    const first = Number.parseInt(await get(port), 10)
    for (let at = 1; at <= 20; at++) expect(Number.parseInt(await get(port), 10)).toBe(first + at)
  })

  test('a plan that came as a worker died is taken by the next one', async () => {
    const { workers } = await start()
    await workers.apply({ id: '1', model: modelOf(0, 'old') })
    const [victim] = workers.pids()
    process.kill(victim!, 'SIGKILL')
    // it is still the first one to be asked
    expect(workers.pids()[0]).toBe(victim)
    expect(await workers.apply({ id: '2', model: modelOf(0, 'new') })).toEqual({ kind: 'applied', diagnostics: [] })
    expect(await get(workers.addresses().get('l')!.port)).toBe('new')
  })

  test('who stops while a dead one is being replaced leaves no process behind', async () => {
    const { workers } = await start()
    await workers.apply({ id: '1', model: modelOf(0, 'old') })
    const [victim] = workers.pids()
    process.kill(victim!, 'SIGKILL')
    // the next one has been forked, and has not begun to serve
    await expect.poll(() => Object.keys(cluster.workers ?? {}).length, { interval: 5, timeout: 10_000 }).toBe(1)
    await expect.poll(() => Object.keys(cluster.workers ?? {}).length, { interval: 5, timeout: 10_000 }).toBe(2)
    expect(workers.pids().length).toBe(1)
    await workers.stop(0)
    await expect.poll(() => Object.keys(cluster.workers ?? {}), { timeout: 10_000 }).toEqual([])
  })

  test('who begins to serve while another one tries a plan is told it, too', async () => {
    const { workers } = await start()
    await workers.apply({ id: '1', model: modelOf(0, undefined) })
    const [victim] = workers.pids()
    process.kill(victim!, 'SIGKILL')
    await expect.poll(() => workers.pids().length).toBe(1)
    const model = modelOf(0, undefined)
    const held = model.routes.map((route) => ({
      ...route,
      policies: [{ policy: 'hold', config: { ms: 3000 }, origin }],
      action: { kind: 'reply' as const, status: 200, body: 'new' },
    }))
    await workers.apply({ id: '2', model: { ...model, routes: held } })
    await expect.poll(() => workers.pids().length, { timeout: 20_000 }).toBe(2)
    const { port } = workers.addresses().get('l')!
    const answers = await Promise.all(Array.from({ length: 10 }, () => get(port)))
    expect(new Set(answers)).toEqual(new Set(['new']))
  })

  test('a configuration arrives as it is, expressions too', async () => {
    const { workers } = await start()
    const model = modelOf(0, undefined)
    const config = { origin: /^https:\/\/a"b$/i, nothing: undefined }
    await workers.apply({
      id: '1',
      model: {
        ...model,
        routes: model.routes.map((route) => ({ ...route, policies: [{ policy: 'echo', config, origin }] })),
      },
    })
    expect(await get(workers.addresses().get('l')!.port)).toBe(inspect(config))
  })

  test('a port in use is refused by all, and the last plan serves on', async () => {
    const { workers } = await start()
    const model = modelOf(0, 'old')
    await workers.apply({ id: '1', model })
    const { port } = workers.addresses().get('l')!
    const taken = net.createServer().listen(0, '127.0.0.1')
    await new Promise((resolve) => taken.once('listening', resolve))
    cleanups.push(() => taken.close())
    const used = (taken.address() as AddressInfo).port
    const refused = await workers.apply({ id: '2', model: modelOf(used, 'new') })
    expect(refused.kind).toBe('refused')
    expect(await get(port)).toBe('old')
  })
})
