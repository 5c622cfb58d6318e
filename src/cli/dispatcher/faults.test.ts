/** What breaks around a serving `dispatcher` → the last good state serves on; status, metric and log say so; it comes back by itself. */
import { execFileSync } from 'node:child_process'
import { chmodSync, existsSync, mkdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import tls from 'node:tls'
import { afterEach, beforeEach, describe, expect, test } from 'vitest'
import { type ApiServer, startApiServer, whyNoApiServer } from '../../../conformance/lab.ts'
import { runsFor } from '../../../conformance/loud.ts'
import { get, makeRoom, objectsOf, type Room, type Running, startPods, startServing, until } from './testing/process.ts'

let room: Room
let pods: { readonly port: number; stop(): Promise<void> }
let running: Running | undefined
let after: (() => unknown)[] = []
beforeEach(async () => {
  room = makeRoom()
  pods = await startPods()
})
afterEach(async () => {
  await running?.stop()
  running = undefined
  // before anything is taken away from below it
  room.endNginx()
  for (const undo of after.reverse()) await undo()
  after = []
  await pods.stop()
  room.remove()
})
const at = (basePath: string): object => ({ basePath, containerPort: String(pods.port) })

const mounts = runsFor('dispatcher with a full disk', process.getuid?.() === 0 ? undefined : 'only root may mount one')

/** Status, metric and log agree. */
async function saysStale(one: Running, stale: boolean): Promise<void> {
  await until(async () => (await one.metric('gantry_configuration_stale')) === (stale ? 1 : 0))
  expect(await one.admin('/gantry/status')).toMatchObject({ stale })
}

describe('with nginx', { timeout: 180_000 }, () => {
  const environment = (more: object = {}): Record<string, string> => ({ ...room.environment, ...more })

  test('a configuration that nginx refuses', async () => {
    const program = join(room.folder, 'program')
    const refuse = join(room.folder, 'refuse')
    writeFileSync(
      program,
      `#!/bin/sh\n[ "$1" = -t ] && [ -e ${refuse} ] && { echo "it is broken" >&2; exit 1; }\nexec nginx "$@"\n`,
    )
    chmodSync(program, 0o755)
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(['--target', 'nginx', room.yaml], environment({ GANTRY_NGINX: program }))
    const { port } = running
    writeFileSync(refuse, '')
    room.write({ 'shop.test': {} }, [at('/b')])
    await saysStale(running, true)
    expect(running.log()).toContain('it is broken')
    expect((await get(port, 'shop.test', '/a'))[0]).toBe(200)
    expect((await get(port, 'shop.test', '/b'))[0]).toBe(404)
    expect(await running.admin('/gantry/diagnostics')).toContainEqual(
      expect.objectContaining({ code: 'nginx/refused' }),
    )
    expect(await running.metric('gantry_nginx_activations_total{outcome="refused"}')).toBeGreaterThan(0)
    // nobody has to change anything for it to be tried again
    rmSync(refuse)
    await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
    await saysStale(running, false)
    expect(running.log()).toContain('runtime/current')
  })

  test('nginx is killed, and its workers with it', async () => {
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(['--target', 'nginx', room.yaml], environment())
    const { port } = running
    const pid = Number(readFileSync(join(room.folder, 'nginx/nginx.pid'), 'utf8'))
    process.kill(pid, 'SIGKILL')
    await until(() => Promise.resolve(running?.log().includes('nginx/ended') === true))
    await until(async () => (await get(port, 'shop.test', '/a'))[0] === 200)
    expect(await running.metric('gantry_nginx_restarts_total')).toBe(1)
    await until(async () => (await running?.metric('gantry_nginx_up')) === 1)
    room.write({ 'shop.test': {} }, [at('/b')])
    await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
  })

  test.runIf(mounts)('the disk is full where the configuration is written', async () => {
    const { fill, free } = smallDisk(join(room.folder, 'nginx'))
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(['--target', 'nginx', room.yaml], environment())
    const { port } = running
    fill()
    room.write({ 'shop.test': {} }, [at('/b')])
    await saysStale(running, true)
    expect(running.log()).toMatch(/could not be written: ENOSPC/)
    expect((await get(port, 'shop.test', '/a'))[0]).toBe(200)
    expect((await get(port, 'shop.test', '/b'))[0]).toBe(404)
    free()
    await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
    await saysStale(running, false)
  })

  test.runIf(mounts)('the disk is full where certificates are written', async () => {
    const { fill, free } = smallDisk(join(room.folder, 'ssl'))
    const standard = makePair(room, 'default.test')
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(
      ['--target', 'nginx', room.yaml],
      environment({ SSL_CERT: standard.certificate, SSL_KEY: standard.key }),
    )
    const { port, tlsPort } = running
    fill()
    const own = makePair(room, 'secure.test')
    const field = (key: string): object => ({ valueFrom: { secretKeyRef: { key } } })
    const secret = {
      kind: 'Secret',
      metadata: { name: 'routing', namespace: 'shop' },
      stringData: { crt: readFileSync(own.certificate, 'utf8'), key: readFileSync(own.key, 'utf8') },
    }
    const hosts = {
      'shop.test': {},
      'secure.test': { ssl: { certificate: field('crt'), certificateKey: field('key') } },
    }
    room.write(hosts, [at('/a')], [secret])
    await saysStale(running, true)
    expect(running.log()).toMatch(/could not be written: ENOSPC/)
    expect((await get(port, 'shop.test', '/a'))[0]).toBe(200)
    expect(await nameShown(tlsPort, 'default.test')).toBe('default.test')
    free()
    await until(async () => (await nameShown(tlsPort, 'secure.test')) === 'secure.test')
    await saysStale(running, false)
    // as they must lie there: nobody else reads them
    const paths = execFileSync('find', [join(room.folder, 'ssl'), '-mindepth', '1'], { encoding: 'utf8' })
      .trim()
      .split('\n')
    for (const path of paths) {
      const { mode } = statSync(path)
      if (path.includes('ballast')) continue
      expect([path, (mode & 0o777).toString(8)]).toEqual([path, statSync(path).isDirectory() ? '700' : '600'])
    }
  })

  test('it is started beside what another process left, and takes over', async () => {
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(['--target', 'nginx', room.yaml], environment())
    const { port, tlsPort } = running
    // as a crash of dispatcher would: its nginx serves on
    await running.stop()
    expect((await get(port, 'shop.test', '/a'))[0]).toBe(200)
    room.write({ 'shop.test': {} }, [at('/b')])
    running = await startServing(
      ['--target', 'nginx', room.yaml],
      environment({ PORT: String(port), SSL_PORT: String(tlsPort) }),
    )
    await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
  })
})

describe.each(['engine', 'nginx'] as const)('with %s', { timeout: 180_000 }, (target) => {
  test('changed SSL_CERT files are served with no restart; a pair that is none leaves the last one', async () => {
    const { certificate, key } = makePair(room, 'first.test')
    room.write({ 'shop.test': {} }, [at('/a')])
    running = await startServing(['--target', target, room.yaml], {
      ...room.environment,
      SSL_CERT: certificate,
      SSL_KEY: key,
    })
    const { tlsPort, pid } = running
    expect(await nameShown(tlsPort, 'any.test')).toBe('first.test')
    writeFileSync(certificate, 'no certificate')
    await saysStale(running, true)
    expect(running.log()).toContain('the last good pair is served on')
    expect(await nameShown(tlsPort, 'any.test')).toBe('first.test')
    const next = makePair(room, 'second.test')
    writeFileSync(certificate, readFileSync(next.certificate))
    writeFileSync(key, readFileSync(next.key))
    await until(async () => (await nameShown(tlsPort, 'any.test')) === 'second.test')
    await saysStale(running, false)
    expect(running.pid).toBe(pid)
  })
})

describe.runIf(runsFor('dispatcher without its API server', whyNoApiServer()))(
  'the API server',
  { timeout: 180_000 },
  () => {
    test.each(['engine', 'nginx'] as const)('goes and comes back, with %s', async (target) => {
      const server = await startApiServer({ controllers: false })
      after.push(() => server.stop())
      await create(server)
      running = await startServing(['--target', target, '--kubeconfig', server.kubeconfig], room.environment)
      const { port } = running
      await until(async () => (await get(port, 'shop.test', '/a'))[0] === 200)
      await server.kill()
      await saysStale(running, true)
      expect(running.log()).toContain('pods/api-away')
      expect((await get(port, 'shop.test', '/a'))[0]).toBe(200)
      expect((await get(port, 'shop.test', '/b'))[0]).toBe(404)
      // what happened meanwhile is found by looking again
      await server.restart({ history: 'lost' })
      await server.kubectl([
        'annotate',
        'pod',
        '-n',
        'shop',
        'shop',
        '--overwrite',
        `github.com/30x.dispatcher.paths=${JSON.stringify([at('/b')])}`,
      ])
      await until(async () => (await get(port, 'shop.test', '/b'))[0] === 200)
      await saysStale(running, false)
      expect(running.log()).toContain('runtime/current')
    })

    test('is not there at the start: the ports open, the status path answers, and routes come with it', async () => {
      const server = await startApiServer({ controllers: false })
      after.push(() => server.stop())
      await create(server)
      await server.kill()
      running = await startServing(['--kubeconfig', server.kubeconfig], room.environment)
      const { port } = running
      expect((await get(port, 'nobody.test', '/dispatcher/status'))[0]).toBe(200)
      await saysStale(running, true)
      await server.restart()
      await until(async () => (await get(port, 'shop.test', '/a'))[0] === 200)
      await saysStale(running, false)
    })

    async function create(server: ApiServer): Promise<void> {
      const [namespace, pod] = objectsOf({ 'shop.test': {} }, [at('/a')])
      const { status, ...rest } = pod as { readonly status: object }
      await server.kubectl(['apply', '-f', '-'], JSON.stringify(namespace))
      await server.kubectl(['create', 'serviceaccount', '-n', 'shop', 'default'])
      await server.kubectl(['apply', '-f', '-'], JSON.stringify(rest))
      await server.kubectl([
        'patch',
        'pod',
        '-n',
        'shop',
        'shop',
        '--subresource=status',
        '--type=merge',
        '-p',
        JSON.stringify({ status }),
      ])
    }
  },
)

// --- parts -----------------------------------------------------------------------------------------------------------

/** A file system of 1 MiB on this folder. */
function smallDisk(folder: string): { readonly fill: () => void; readonly free: () => void } {
  mkdirSync(folder, { recursive: true })
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=1m', 'tmpfs', folder])
  after.push(() => execFileSync('umount', ['-l', folder]))
  const ballast = join(folder, 'ballast')
  return {
    fill: () => {
      try {
        writeFileSync(ballast, Buffer.alloc(2 << 20))
      } catch (error) {
        // that is the point: what fits is there
        if (!existsSync(ballast)) throw error
      }
    },
    free: () => rmSync(ballast),
  }
}

function makePair({ folder }: Room, name: string): { readonly certificate: string; readonly key: string } {
  const [certificate, key] = [join(folder, `${name}.crt`), join(folder, `${name}.key`)]
  const kind = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2']
  execFileSync('openssl', ['req', '-x509', ...kind, '-subj', `/CN=${name}`, '-keyout', key, '-out', certificate], {
    stdio: 'ignore',
  })
  return { certificate, key }
}

/** The common name of the certificate that is shown for this name. */
function nameShown(port: number, servername: string): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = tls.connect({ port, host: '127.0.0.1', servername, rejectUnauthorized: false }, () => {
      const { CN } = socket.getPeerCertificate().subject
      socket.destroy()
      done(typeof CN === 'string' ? CN : CN?.[0])
    })
    socket.on('error', () => done(undefined))
  })
}
