/**
 * The gateway example and the consumers of the reference document, cut out of it and run against this checkout with demo
 * services → a line for each promise, and one closing line. The document lies beside the repository, never in it; without
 * it there is nothing to run. Only addresses are changed: names of services and fixed ports become those of the demo.
 */
import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, request as httpRequest, type IncomingHttpHeaders, type Server } from 'node:http'
import { createServer as createPort, type AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const document = join(root, '../shared/reference/kargo-advanced-usage.txt')

process.exitCode = existsSync(document) ? await main(readFileSync(document, 'utf8')) : skip()

function skip(): number {
  console.log('skipped: ../shared/reference/kargo-advanced-usage.txt is not here; nothing of it was run')
  return 0
}

async function main(text: string): Promise<number> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-reference-'))
  const stop: (() => Promise<void>)[] = []
  let passed = 0
  let failed = 0
  const promise = (what: string, kept: boolean, found: unknown): void => {
    if (kept) passed += 1
    else failed += 1
    console.log(`${kept ? 'ok  ' : 'FAIL'} ${what}${kept ? '' : `\n     found: ${JSON.stringify(found)}`}`)
  }
  try {
    const services: Record<string, string> = {}
    for (const [name, printed] of Object.entries({ mapserver: 80, mapcache: 80, k2: 8080 })) {
      const server = await demo(name)
      stop.push(() => new Promise((resolve) => server.close(() => resolve())))
      services[`${name}:${printed}`] = `127.0.0.1:${(server.address() as AddressInfo).port}`
    }
    const [port, admin] = [await freePort(), await freePort()]
    writeFileSync(join(folder, 'gateway.config.yml'), readdress(indent(cutGateway(text)), services, port, admin))
    writeFileSync(join(folder, 'consumers.config.cjs'), distinct(cutConsumers(text)))
    writeFileSync(
      join(folder, 'system.config.yml'),
      'db: { redis: { emulate: true } }\nplugins: { populate: { package: ./plugins/populate.js } }\n',
    )
    const gateway = await start(folder)
    stop.push(() => end(gateway))

    const get = (path: string, headers: Record<string, string> = {}, method = 'GET') => ask(port, method, path, headers)
    const wms = await get('/wms?SERVICE=WMS')
    promise('wms goes to mapserver', wms.body === 'mapserver GET /cgi-bin/mapserv/?SERVICE=WMS', wms)
    promise('pages of other sites may read wms', wms.headers['access-control-allow-origin'] === '*', wms.headers)
    const wmts = await get('/wmts/layer/1/2/3.png')
    promise('wmts goes to mapcache', wmts.body === 'mapcache GET /mapcache/wmts/layer/1/2/3.png', wmts)
    const k2 = await get('/k2/tileset/1/2/3.terrain')
    promise('k2 goes to k2', k2.body === 'k2 GET /tileset/1/2/3.terrain', k2)
    const preflight = await get('/wms', { origin: 'http://map.example.com' }, 'OPTIONS')
    promise('a preflight is answered by the gateway', preflight.status === 204, preflight)
    const unknown = await get('/elsewhere')
    promise('other paths are 404', unknown.status === 404, unknown)

    const users = await get('/users', { host: 'express-gateway' })
    promise('the host express-gateway is the admin API', users.status === 200, users)
    const names = list(users.body, 'users').map((user) => user['username'])
    promise(
      'the users of consumers.config.js are there',
      ['cutomer1', 'customer2'].every((name) => names.includes(name)),
      names,
    )
    const apps = list((await get('/apps', { host: 'express-gateway' })).body, 'apps')
    const appNames = apps.map((app) => app['name'])
    promise(
      'so are their applications',
      ['qgis', 'leafet', 'kano'].every((name) => appNames.includes(name)),
      appNames,
    )
    const scopes: unknown = JSON.parse((await get('/scopes', { host: 'express-gateway' })).body)
    promise('and the scopes', /mapcache.*mapserver.*k2|k2.*mapcache.*mapserver/.test(JSON.stringify(scopes)), scopes)
    const credentials = await Promise.all(
      apps.map(async (app) => (await get(`/credentials/${String(app['id'])}`, { host: 'express-gateway' })).body),
    )
    promise(
      'each application has its credential',
      credentials.every((body) => list(body, 'credentials').length === 1),
      credentials,
    )
  } finally {
    for (const one of stop.reverse()) await one()
    rmSync(folder, { recursive: true, force: true })
  }
  console.log(`${passed} passed, ${failed} failed`)
  return failed === 0 && passed > 0 ? 0 : 1
}

// --- cutting ---------------------------------------------------------------------------------------------------------

function cutGateway(text: string): readonly string[] {
  const lines = text.split('\n')
  const from = lines.findIndex((line, index) => line === 'http:' && (lines[index + 1] ?? '').startsWith('port:'))
  const to = lines.findIndex((line, index) => index > from && line.startsWith('# '))
  if (from === -1 || to === -1) throw new Error('the document holds no gateway example')
  return lines.slice(from, to)
}

/** The document was saved as text, which took the indentation; YAML means nothing without it. The keys say where they belong. */
function indent(lines: readonly string[]): string {
  const sections = ['http', 'admin', 'apiEndpoints', 'serviceEndpoints', 'policies', 'pipelines']
  let section = -1
  let inside = ''
  return lines
    .map((line) => {
      const text = line.trim()
      const key = /^([\w-]+):$/.exec(text)?.[1]
      // sections come in their order; later on the same words are names, or keys of a pipeline
      if (key !== undefined && sections[section + 1] === key) {
        section += 1
        return text
      }
      const here = sections[section]
      if (here === 'http' || here === 'admin' || here === 'policies') return `  ${text}`
      if (here !== 'pipelines') return key === undefined ? `    ${text}` : `  ${text}`
      if (key === 'apiEndpoints' || key === 'policies') {
        inside = key
        return `    ${text}`
      }
      if (key !== undefined) return `  ${text}`
      if (inside === 'apiEndpoints') return `      ${text}`
      if (text === '- action:') return `          ${text}`
      return text.startsWith('- ') ? `      ${text}` : `              ${text}`
    })
    .join('\n')
}

function cutConsumers(text: string): string {
  const from = text.indexOf('module.exports = {')
  if (from === -1) throw new Error('the document holds no consumers')
  let depth = 0
  for (let at = text.indexOf('{', from); at < text.length; at++) {
    if (text[at] === '{') depth += 1
    if (text[at] === '}') depth -= 1
    if (depth === 0) return text.slice(from, at + 1)
  }
  throw new Error('the consumers of the document do not end')
}

/** `<KEY_ID>` is for the reader to fill in, and a key id has one owner: each gets its own. */
function distinct(text: string): string {
  let count = 0
  return text.replace(/<[A-Z_]+>/g, (word) => `${word.slice(1, -1).toLowerCase()}-${++count}`)
}

function readdress(text: string, services: Readonly<Record<string, string>>, port: number, admin: number): string {
  let result = text.replace(/port: 8080/, `port: ${port}`).replaceAll('9876', String(admin))
  for (const [printed, address] of Object.entries(services)) result = result.replaceAll(`//${printed}`, `//${address}`)
  return result
}

// --- running ---------------------------------------------------------------------------------------------------------

function demo(name: string): Promise<Server> {
  const server = createServer((request, response) => response.end(`${name} ${request.method} ${request.url}`))
  return new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(server)))
}

function freePort(): Promise<number> {
  const server = createPort()
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      const { port } = server.address() as AddressInfo
      server.close(() => resolve(port))
    })
  })
}

async function start(folder: string): Promise<ChildProcess> {
  const words = ['--import', 'tsx', join(root, 'src/bin/gantry.ts'), 'run', folder]
  const child = spawn(process.execPath, words, { cwd: root, stdio: ['ignore', 'ignore', 'pipe', 'ipc'] })
  let log = ''
  child.stderr?.setEncoding('utf8').on('data', (piece: string) => (log += piece))
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('exit', () => reject(new Error(`the gateway ended:\n${log}`)))
  })
  return child
}

async function end(child: ChildProcess): Promise<void> {
  const ended = new Promise<void>((resolve) => child.once('exit', () => resolve()))
  child.kill('SIGTERM')
  await ended
}

interface Answer {
  readonly status: number
  readonly headers: IncomingHttpHeaders
  readonly body: string
}

function ask(port: number, method: string, path: string, headers: Record<string, string>): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asked = httpRequest({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      let body = ''
      response.setEncoding('utf8').on('data', (piece: string) => (body += piece))
      response.on('end', () => resolve({ status: response.statusCode ?? 0, headers: response.headers, body }))
    })
    asked.once('error', reject)
    asked.end()
  })
}

function list(body: string, key: string): readonly Readonly<Record<string, unknown>>[] {
  const value = (JSON.parse(body) as Readonly<Record<string, unknown>>)[key]
  return Array.isArray(value) ? (value as readonly Readonly<Record<string, unknown>>[]) : []
}
