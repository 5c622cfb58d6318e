/** Pods as processes, for real: Services, names, logs, volumes, tokens, restarts, deletion. */
import { existsSync } from 'node:fs'
import { afterAll, beforeAll, describe, expect, it, vi } from 'vitest'
import { whyNoApiServer } from '../lab.ts'
import { runsFor } from '../loud.ts'
import { whyNoLab } from '../tools.ts'
import { bridge } from './sandbox.ts'
import { startTestLab, type TestLab } from './testing.ts'

// answers its name, its variables and its file; /api asks the cluster's API with its own token
const web = `
const { readFileSync } = require('node:fs')
const https = require('node:https')
const account = '/var/run/secrets/kubernetes.io/serviceaccount'
require('node:http').createServer((request, response) => {
  if (request.url === '/ready') return response.writeHead(process.env.READY === 'no' ? 503 : 200).end()
  if (request.url === '/api') {
    const headers = { authorization: 'Bearer ' + readFileSync(account + '/token') }
    const options = { headers, ca: readFileSync(account + '/ca.crt'), host: process.env.KUBERNETES_SERVICE_HOST, path: '/api/v1/namespaces/default/configmaps' }
    return https.get(options, (answer) => { answer.resume(); response.end(String(answer.statusCode)) })
  }
  console.log('asked for ' + request.url)
  response.end(JSON.stringify({ pod: process.env.POD, ip: process.env.IP, file: readFileSync('/etc/web/text', 'utf8') }))
}).listen(8080)`

const images = {
  web: { entrypoint: ['$NODE', '-e', web] },
  crash: { entrypoint: ['sh', '-c', 'echo going down; exit 3'] },
}

const deployment = (name: string, env: readonly object[] = []) => ({
  apiVersion: 'apps/v1',
  kind: 'Deployment',
  metadata: { name },
  spec: {
    replicas: 2,
    selector: { matchLabels: { app: name } },
    template: {
      metadata: { labels: { app: name } },
      spec: {
        containers: [
          {
            name: 'web',
            image: 'registry.example/web:1',
            env: [
              { name: 'POD', valueFrom: { fieldRef: { fieldPath: 'metadata.name' } } },
              { name: 'IP', valueFrom: { fieldRef: { fieldPath: 'status.podIP' } } },
              ...env,
            ],
            readinessProbe: { httpGet: { path: '/ready', port: 8080 } },
            volumeMounts: [{ name: 'text', mountPath: '/etc/web' }],
          },
        ],
        volumes: [{ name: 'text', configMap: { name: 'text' } }],
      },
    },
  },
})

const service = (name: string, type: string) => ({
  apiVersion: 'v1',
  kind: 'Service',
  metadata: { name },
  spec: { type, selector: { app: name }, ports: [{ port: 80, targetPort: 8080 }] },
})

const single = (name: string, image: string, restartPolicy: string) => ({
  apiVersion: 'v1',
  kind: 'Pod',
  metadata: { name },
  spec: { restartPolicy, containers: [{ name: 'it', image }] },
})

const why = whyNoLab() ?? whyNoApiServer({ crds: 'standard' })
describe.runIf(runsFor('the process kubelet', why))('a cluster of processes', { timeout: 60_000 }, () => {
  const patience = { timeout: 30_000, interval: 100 }
  let lab: TestLab

  beforeAll(async () => {
    lab = await startTestLab(() => images)
    const list = [
      deployment('web'),
      service('web', 'LoadBalancer'),
      deployment('slow', [{ name: 'READY', value: 'no' }]),
      service('slow', 'ClusterIP'),
    ]
    await kubectl(['create', 'configmap', 'text', '--from-literal=text=one'])
    await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items: list }))
    await kubectl(['rollout', 'status', 'deployment/web', '--timeout=30s'])
  }, 120_000)

  afterAll(() => lab.stop())

  const kubectl: TestLab['kubectl'] = (...words) => lab.kubectl(...words)
  const show: TestLab['show'] = (...words) => lab.show(...words)
  const fetchText = `fetch(process.argv[1], { signal: AbortSignal.timeout(3000) }).then((it) => it.text()).then((it) => process.stdout.write(it), (it) => { process.stderr.write(String(it.cause ?? it)); process.exit(1) })`
  const get = (url: string) => lab.run([process.execPath, '-e', fetchText, url])

  it('reaches every ready Pod by ClusterIP, LoadBalancer address and name', async () => {
    const pods = (await show('{.items[*].metadata.name}', 'pods', '-l', 'app=web')).split(' ')
    const addresses = [
      await show('{.spec.clusterIP}', 'service', 'web'),
      await show('{.status.loadBalancer.ingress[0].ip}', 'service', 'web'),
    ]
    expect(addresses[0]).toMatch(/^10\.96\./)
    expect(addresses[1]).toMatch(/^10\.97\./)
    for (const host of [...addresses, 'web.default.svc.cluster.local']) {
      const seen = new Set<string>()
      await vi.waitFor(async () => {
        seen.add((JSON.parse(await get(`http://${host}/`)) as { pod: string }).pod)
        expect([...seen].sort()).toEqual([...pods].sort())
      }, patience)
    }
  })

  it('gives each Pod the address that its status names', async () => {
    const ip = await show('{.items[0].status.podIP}', 'pods', '-l', 'app=web')
    expect(JSON.parse(await get(`http://${ip}:8080/`))).toMatchObject({ ip })
  })

  it('leaves Pods that are not ready out of their Service', async () => {
    expect(await show('{.status.readyReplicas}', 'deployment', 'slow')).toBe('')
    await expect(get(`http://${await show('{.spec.clusterIP}', 'service', 'slow')}/`)).rejects.toThrow(
      /ECONNREFUSED|timeout/i,
    )
  })

  it('serves logs of a container', async () => {
    const [pod, ip] = (await show('{.items[0].metadata.name} {.items[0].status.podIP}', 'pods', '-l', 'app=web')).split(
      ' ',
    )
    await get(`http://${ip}:8080/remember-me`)
    await vi.waitFor(async () => expect(await kubectl(['logs', pod!])).toContain('asked for /remember-me'), patience)
  })

  it('writes a changed ConfigMap into running Pods', async () => {
    const ip = await show('{.items[0].status.podIP}', 'pods', '-l', 'app=web')
    await kubectl(['patch', 'configmap', 'text', '--type=merge', '-p', '{"data":{"text":"two"}}'])
    await vi.waitFor(
      async () => expect(JSON.parse(await get(`http://${ip}:8080/`))).toMatchObject({ file: 'two' }),
      patience,
    )
  })

  it('lets a Pod ask the API with its service account, within its rights', async () => {
    const ip = await show('{.items[0].status.podIP}', 'pods', '-l', 'app=web')
    expect(await get(`http://${ip}:8080/api`)).toBe('403')
    await kubectl(['create', 'role', 'reader', '--verb=list', '--resource=configmaps'])
    await kubectl(['create', 'rolebinding', 'reader', '--role=reader', '--serviceaccount=default:default'])
    await vi.waitFor(async () => expect(await get(`http://${ip}:8080/api`)).toBe('200'), patience)
  })

  it('has no way out', async () => {
    // TEST-NET-2, RFC 5737: nobody is there, and without a route nothing is even sent
    await expect(get('http://198.51.100.1/')).rejects.toThrow(/ENETUNREACH/)
    await expect(get('http://example.org/')).rejects.toThrow(/ENOTFOUND|EAI_AGAIN/)
  })

  it('says ErrImagePull of an image that it does not know', async () => {
    await kubectl(['apply', '-f', '-'], JSON.stringify(single('unknown', 'nobody/knows:1', 'Always')))
    const state = () => show('{.status.phase} {.status.containerStatuses[0].state.waiting.reason}', 'pod', 'unknown')
    await vi.waitFor(async () => expect(await state()).toBe('Pending ErrImagePull'), patience)
  })

  it('restarts what ends, or not, as the Pod says', async () => {
    await kubectl(
      ['apply', '-f', '-'],
      JSON.stringify({
        apiVersion: 'v1',
        kind: 'List',
        items: [single('again', 'crash', 'Always'), single('once', 'crash', 'Never')],
      }),
    )
    const state = () => show('{.status.phase} {.status.containerStatuses[0].state.terminated.exitCode}', 'pod', 'once')
    await vi.waitFor(async () => expect(await state()).toBe('Failed 3'), patience)
    await vi.waitFor(
      async () =>
        expect(Number(await show('{.status.containerStatuses[0].restartCount}', 'pod', 'again'))).toBeGreaterThan(0),
      patience,
    )
    expect(await show('{.status.containerStatuses[0].restartCount}', 'pod', 'once')).toBe('0')
  })

  it('keeps the hardware address that Pods have learnt, whatever Pods come', async () => {
    const [link] = JSON.parse(await lab.run(['ip', '-j', 'link', 'show', bridge.name])) as { address: string }[]
    expect(link?.address).toBe(bridge.hardware)
  })

  it('survives Pods that are deleted while they are being started, and leaves nothing of them', async () => {
    const before = (await lab.run(['ip', 'netns', 'list'])).split('\n').length
    const names = Array.from({ length: 8 }, (_, index) => `brief-${index}`)
    const items = names.map((name) => single(name, 'web', 'Never'))
    await kubectl(['apply', '-f', '-'], JSON.stringify({ apiVersion: 'v1', kind: 'List', items }))
    await kubectl(['delete', 'pod', ...names, '--wait=false'])
    await vi.waitFor(
      async () => expect(await show('{.items[*].metadata.name}', 'pods')).not.toContain('brief'),
      patience,
    )
    await vi.waitFor(async () => {
      expect((await lab.run(['ip', 'netns', 'list'])).split('\n').length).toBe(before)
    }, patience)
    expect(lab.process.exitCode).toBeNull()
  })

  it('ends the process and the Pod when it is deleted, and keeps its log', async () => {
    const [pod, ip] = (await show('{.items[0].metadata.name} {.items[0].status.podIP}', 'pods', '-l', 'app=web')).split(
      ' ',
    )
    await kubectl(['delete', 'pod', pod!, '--timeout=20s'])
    await expect(get(`http://${ip}:8080/`)).rejects.toThrow(/EHOSTUNREACH|ECONNREFUSED|timeout/i)
    await kubectl(['rollout', 'status', 'deployment/web', '--timeout=30s'])
    expect(existsSync(`${lab.folder}/logs/default/${pod}/web.log`)).toBe(true)
  })
})
