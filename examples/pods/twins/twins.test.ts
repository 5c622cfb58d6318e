/** The twins in a cluster of processes: real Pods that come, become unready and go, and a dispatcher with its own rights only. */
import { spawn } from 'node:child_process'
import { chmodSync, mkdirSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { startTestLab, type TestLab } from '../../../conformance/kubelet/testing.ts'
import { whyNoApiServer } from '../../../conformance/lab.ts'
import { runsFor } from '../../../conformance/loud.ts'
import { typescript } from '../../../conformance/program.ts'
import { builtCluster } from '../../../conformance/programs.ts'
import { whyNoLab } from '../../../conformance/tools.ts'

const root = resolve(import.meta.dirname, '../../..')

/** Says who it is; `/unready` makes it so; ends as a good server does, when what is under way has been answered. */
const shop = `
let ready = true
const server = require('node:http').createServer((request, response) => {
  if (request.url === '/ready') return response.writeHead(ready ? 200 : 503).end()
  if (request.url.endsWith('/unready')) ready = false
  setTimeout(() => response.end(JSON.stringify({ pod: process.env.HOSTNAME, path: request.url })), 5)
}).listen(3000)
process.on('SIGTERM', () => setTimeout(() => server.close(() => process.exit(0)), 400))`

/** Asks again and again until its input ends, then says how it went: how many of which status, and by which Pod. */
const asking = `
const [, url, host, key] = process.argv
const http = require('node:http')
const agent = new http.Agent({ keepAlive: true })
const seen = {}
let going = true
process.stdin.on('end', () => (going = false)).resume()
const once = () => new Promise((done) => {
  const sent = http.get(url, { agent, headers: { host, ...(key ? { 'x-routing-api-key': key } : {}) } }, (answer) => {
    let text = ''
    answer.on('data', (chunk) => (text += chunk))
    answer.on('end', () => done(answer.statusCode === 200 ? JSON.parse(text).pod : String(answer.statusCode)))
  })
  sent.on('error', (error) => done(error.message))
})
;(async () => {
  do {
    const what = await once()
    seen[what] = (seen[what] ?? 0) + 1
    await new Promise((done) => setTimeout(done, 5))
  } while (going)
  process.stdout.write(JSON.stringify(seen), () => process.exit(0))
})()`

const why = whyNoLab() ?? whyNoApiServer({})
describe.runIf(runsFor('public and private twins', why))('public and private twins', { timeout: 180_000 }, () => {
  const patience = { timeout: 60_000, interval: 150 }
  let lab: TestLab
  let key = ''

  beforeAll(async () => {
    lab = await startTestLab((folder) => {
      mkdirSync(`${folder}/bin`)
      writeFileSync(
        `${folder}/bin/dispatcher`,
        `#!/bin/sh\nexec ${typescript(join(root, 'src/bin/dispatcher.ts')).join(' ')} "$@"\n`,
      )
      chmodSync(`${folder}/bin/dispatcher`, 0o755)
      return {
        gantry: { entrypoint: [`${folder}/bin/dispatcher`], path: [`${folder}/bin`] },
        shop: { entrypoint: ['$NODE', '-e', shop] },
      }
    })
    // nobody here watches over nodes, and without that a new one counts as not ready for DaemonSets
    await kubectl(['taint', 'nodes', '--all', 'node.kubernetes.io/not-ready-'])
    // the lab has no host ports that two could want
    for (const file of ['rights', 'dispatcher'])
      await kubectl(['apply', '-f', join(root, `deploy/dispatcher/${file}.yaml`)])
    await kubectl(['apply', '-f', import.meta.dirname])
    await Promise.all(
      [
        ['shop', 'deployment/shop'],
        ['dispatcher', 'daemonset/routers'],
        ['dispatcher', 'daemonset/dispatcher'],
      ].map(([namespace = '', what = '']) => kubectl(['rollout', 'status', '-n', namespace, what, '--timeout=300s'])),
    )
    key = await show('{.data.private-api-key}', 'secret', '-n', 'shop', 'routing')
  }, 480_000)

  afterAll(() => lab.stop())

  it('serves each side its own paths of the same Pods', async () => {
    const at = await router()
    await vi.waitFor(async () => expect(await status(`${at}:8080/public`, 'shop.example.com')).toBe('200'), patience)
    expect(await status(`${at}:8080/internal`, 'shop.example.com')).toBe('404')
    expect(await status(`${at}:8080/internal`, 'shop.internal')).toBe('000')
    expect(await status(`${at}:8081/public`, 'shop.internal')).toBe('404')
    expect(await status(`${at}:8081/public`, 'shop.example.com')).toBe('000')
    expect(await status(`${at}:8081/internal`, 'shop.internal')).toBe('403')
    expect(await status(`${at}:8081/internal`, 'shop.internal', 'wrong')).toBe('403')
    expect(await status(`${at}:8081/internal`, 'shop.internal', key)).toBe('200')
    const seen = await asked(`${at}:8080/public`, () => Promise.resolve())
    expect(Object.keys(seen).every((name) => name.startsWith('shop-'))).toBe(true)
  })

  it('asks Pods as they come, lets them be when they are unready or end, and loses no request', async () => {
    const at = await router()
    let left = ''
    const seen = await asked(`${at}:8080/public`, async () => {
      await kubectl(['scale', '-n', 'shop', 'deployment/shop', '--replicas=3'])
      await kubectl(['rollout', 'status', '-n', 'shop', 'deployment/shop', '--timeout=120s'])
      const [first, second] = await pods()
      // it says so to its probe, and stays
      await lab.run(['curl', '-s', `http://${first?.ip}:3000/unready`])
      await vi.waitFor(async () => expect(await readyOf(first?.name ?? '')).toBe('False'), patience)
      await vi.waitFor(async () => {
        const now = await asked(`${at}:8080/public`, () => new Promise((done) => setTimeout(done, 300)))
        expect(now).not.toHaveProperty([first?.name ?? ''])
      }, patience)
      await kubectl(['delete', 'pod', '-n', 'shop', second?.name ?? '', '--timeout=30s'])
      left = second?.name ?? ''
      await vi.waitFor(async () => expect((await pods()).map(({ name }) => name)).not.toContain(left), patience)
    })
    // each answer came from a Pod: no status but 200, no connection that broke
    expect(Object.keys(seen).filter((name) => !name.startsWith('shop-'))).toEqual([])
    expect(Object.keys(seen).length).toBeGreaterThanOrEqual(3)
    const after = await asked(`${at}:8080/public`, () => new Promise((done) => setTimeout(done, 300)))
    expect(after).not.toHaveProperty([left])
  })

  it('follows its namespace: a key that comes protects at once, and goes', async () => {
    const at = await router()
    const put = (value: string | null): Promise<string> =>
      kubectl([
        'patch',
        'secret',
        '-n',
        'shop',
        'routing',
        '--type=merge',
        '-p',
        JSON.stringify({ data: { 'public-api-key': value } }),
      ])
    await put('a2V5')
    await vi.waitFor(async () => expect(await status(`${at}:8080/public`, 'shop.example.com')).toBe('403'), patience)
    expect(await status(`${at}:8080/public`, 'shop.example.com', 'a2V5')).toBe('200')
    await put(null)
    await vi.waitFor(async () => expect(await status(`${at}:8080/public`, 'shop.example.com')).toBe('200'), patience)
  })

  it('tells a Pod that its path is another’s, by annotation and Event, until it is not', async () => {
    const at = await router()
    const thief = {
      apiVersion: 'v1',
      kind: 'List',
      items: [
        {
          apiVersion: 'v1',
          kind: 'Namespace',
          metadata: {
            name: 'thief',
            labels: { 'github.com/30x.dispatcher.routable': 'true' },
            annotations: { 'github.com/30x.dispatcher.hosts.public': '{"shop.example.com": {}}' },
          },
        },
        {
          apiVersion: 'v1',
          kind: 'Pod',
          metadata: {
            name: 'thief',
            namespace: 'thief',
            labels: { 'github.com/30x.dispatcher.routable': 'true' },
            annotations: {
              'github.com/30x.dispatcher.paths.public':
                '[{"basePath": "/public", "containerPort": "3000"}, {"basePath": "/mine", "containerPort": "3000"}]',
            },
          },
          spec: {
            containers: [{ name: 'shop', image: 'example/shop:1', ports: [{ containerPort: 3000 }] }],
          },
        },
      ],
    }
    // each of the routers has an annotation of its own
    const told = (): Promise<string> => show('{.metadata.annotations}', 'pod', '-n', 'thief', 'thief')
    const seen = await asked(`${at}:8080/public`, async () => {
      await kubectl(['create', 'namespace', 'thief'])
      await kubectl(['apply', '-f', '-'], JSON.stringify(thief))
      await vi.waitFor(async () => expect(await told()).toContain('belongs to namespace shop'), patience)
      await vi.waitFor(async () => expect(await status(`${at}:8080/mine`, 'shop.example.com')).toBe('200'), patience)
    })
    // not one request of shop's went to the other
    expect(seen).not.toHaveProperty('thief')
    expect(
      await show('{.items[*].reason}', 'events', '-n', 'thief', '--field-selector', 'involvedObject.name=thief'),
    ).toContain('PathTaken')
    await kubectl([
      'annotate',
      'namespace',
      'thief',
      '--overwrite',
      'github.com/30x.dispatcher.hosts.public={"thief.example.com": {}}',
    ])
    await vi.waitFor(async () => expect(await told()).not.toContain('routing-problems'), patience)
    await vi.waitFor(async () => expect(await status(`${at}:8080/public`, 'thief.example.com')).toBe('200'), patience)
    await kubectl(['delete', 'namespace', 'thief', '--wait=false'])
  })

  it('has the rights of its manifests and needs no others', async () => {
    const can = (...words: string[]): Promise<string> =>
      lab.run([
        'sh',
        '-c',
        '"$@" || true',
        'sh',
        builtCluster()?.kubectl ?? '',
        'auth',
        'can-i',
        '--as=system:serviceaccount:dispatcher:dispatcher',
        ...words,
      ])
    expect(await can('list', 'secrets/routing', '-n', 'shop')).toMatch(/^yes/)
    for (const words of [
      ['list', 'secrets', '-A'],
      ['get', 'secrets/routing', '-n', 'shop'],
      ['list', 'secrets/other', '-n', 'shop'],
      ['delete', 'pods', '-n', 'shop'],
      ['create', 'pods', '-n', 'shop'],
      ['list', 'services', '-A'],
    ])
      expect(await can(...words)).toMatch(/^no/)
    for (const name of ['public', 'private']) {
      const log = await kubectl(['logs', '-n', 'dispatcher', '-l', 'app=routers', '-c', name, '--tail=-1'])
      expect(log).toContain('serving with engine')
      expect(log).not.toMatch(/forbidden|away|failed/i)
      expect(log).not.toContain(key)
      expect(log).not.toContain('not-a-secret-in-an-example')
    }
  })

  it('drains when it is ended: what is under way is answered', async () => {
    const before = await routerPod()
    const at = await router()
    expect(await status(`${at}:8080/public`, 'shop.example.com')).toBe('200')
    await kubectl(['delete', 'pod', '-n', 'dispatcher', before, '--timeout=120s'])
    await vi.waitFor(async () => {
      expect(await routerPod()).not.toBe(before)
      expect(await status(`${await router()}:8080/public`, 'shop.example.com')).toBe('200')
    }, patience)
  })

  // --- parts ---

  function kubectl(args: readonly string[], input?: string): Promise<string> {
    return lab.kubectl(args, input)
  }
  function show(path: string, ...what: string[]): Promise<string> {
    return lab.show(path, ...what)
  }
  function routerPod(): Promise<string> {
    return show('{.items[0].metadata.name}', 'pods', '-n', 'dispatcher', '-l', 'app=routers')
  }
  async function router(): Promise<string> {
    return `http://${await show('{.items[0].status.podIP}', 'pods', '-n', 'dispatcher', '-l', 'app=routers')}`
  }
  async function pods(): Promise<readonly { readonly name: string; readonly ip: string }[]> {
    const text = await show(
      '{range .items[*]}{.metadata.name} {.status.podIP}{"\\n"}{end}',
      'pods',
      '-n',
      'shop',
      '-l',
      'app=shop',
    )
    return text
      .trim()
      .split('\n')
      .map((line) => ({ name: line.split(' ')[0] ?? '', ip: line.split(' ')[1] ?? '' }))
  }
  function readyOf(pod: string): Promise<string> {
    return show('{.status.conditions[?(@.type=="Ready")].status}', 'pod', '-n', 'shop', pod)
  }
  /** 000: no answer at all. */
  function status(url: string, host: string, shown?: string): Promise<string> {
    const headers = ['-H', `Host: ${host}`, ...(shown === undefined ? [] : ['-H', `X-ROUTING-API-KEY: ${shown}`])]
    return lab.run(['sh', '-c', 'curl -s -o /dev/null -m 5 -w "%{http_code}" "$@" || true', 'sh', ...headers, url])
  }
  /** Asks without a pause while `meanwhile` is done. */
  async function asked(url: string, meanwhile: () => Promise<void>): Promise<Record<string, number>> {
    const [file, ...enter] = lab.enter
    const child = spawn(file, [...enter, process.execPath, '-e', asking, url, 'shop.example.com'], {
      stdio: ['pipe', 'pipe', 'inherit'],
    })
    let text = ''
    child.stdout.on('data', (chunk: Buffer) => (text += chunk.toString()))
    const ended = new Promise((done) => child.once('close', done))
    try {
      await meanwhile()
    } finally {
      child.stdin.end()
      await ended
    }
    return JSON.parse(text) as Record<string, number>
  }
})
