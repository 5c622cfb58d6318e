/**
 * The quickstart: two demo services and a gateway in front of them. Builds what is missing, prints what to try, stops on Ctrl-C.
 */
import { spawn, spawnSync } from 'node:child_process'
import { cpSync, existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { createServer } from 'node:http'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const say = (text = '') => console.log(text)

if (process.argv.includes('--help')) {
  say('npm run quickstart: two demo services behind a gateway, with a key-protected and a rate-limited route.')
  say('QUICKSTART_PORT (8080) and QUICKSTART_ADMIN_PORT (9876) choose other ports.')
  process.exit(0)
}

const cleanups = []
let stopping = false
async function stop(code) {
  if (stopping) return
  stopping = true
  for (const cleanup of cleanups.reverse()) await cleanup()
  process.exit(code)
}
process.on('SIGINT', () => void stop(0))
process.on('SIGTERM', () => void stop(0))

if (!existsSync(join(root, 'node_modules'))) run('npm', ['ci', '--no-audit', '--no-fund'], 'installing packages')
if (!existsSync(join(root, 'dist/bin/gantry.js'))) run('npm', ['run', '--silent', 'build'], 'building')

const orders = await service('orders', (request) => ({
  service: 'orders',
  path: request.url,
  consumer: request.headers['eg-consumer-id'],
}))
const weather = await service('weather', (request) => ({ service: 'weather', path: request.url, sky: 'clear' }))

// a copy, so that the embedded store does not grow inside the example
const folder = mkdtempSync(join(tmpdir(), 'gantry-quickstart-'))
cleanups.push(() => rmSync(folder, { recursive: true, force: true }))
cpSync(join(root, 'examples/quickstart'), folder, { recursive: true })
mkdirSync(join(folder, 'models'), { recursive: true })
cpSync(join(root, 'examples/express-gateway/models'), join(folder, 'models'), { recursive: true })

const gateway = spawn(process.execPath, [join(root, 'dist/bin/gantry.js'), 'run', folder], {
  stdio: ['ignore', 'inherit', 'inherit', 'ipc'],
  env: { ...process.env, QUICKSTART_ORDERS_PORT: String(orders), QUICKSTART_WEATHER_PORT: String(weather) },
  detached: true, // Ctrl-C reaches this script alone, which then asks the gateway to stop
})
const ended = new Promise((resolve) => gateway.once('exit', (code) => resolve(code ?? 1)))
cleanups.push(async () => {
  gateway.kill('SIGTERM')
  await ended
})
const ready = await Promise.race([new Promise((resolve) => gateway.once('message', resolve)), ended])
if (typeof ready === 'number') {
  say('\nThe gateway did not start; what it said stands above. A port in use? QUICKSTART_PORT=8081 npm run quickstart')
  await stop(1)
}
await createConsumer(ready.admin)

const url = ready.addresses[0].url
say()
say(`The gateway is up: ${url}   (admin API: ${ready.admin})`)
say()
say('  a key-protected route:')
say(`    curl -i ${url}/orders/42                                        # 401`)
say(`    curl -i ${url}/orders/42 -H 'Authorization: apiKey demo:letmein'  # 200`)
say('  a rate-limited route, five requests in ten seconds:')
say(`    for i in 1 2 3 4 5 6; do curl -s -o /dev/null -w '%{http_code}\\n' ${url}/weather/today; done`)
say('  what is being served, and why a request goes where:')
say(`    curl ${ready.admin}/gantry/plan`)
say(`    curl '${ready.admin}/gantry/explain?url=${url}/orders/42'`)
say()
say('Ctrl-C stops it.')
process.send?.({ kind: 'ready', url, admin: ready.admin })
await stop(await ended)

function run(command, args, what) {
  say(`${what} …`)
  const { status } = spawnSync(command, args, { cwd: root, stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}

async function service(name, answer) {
  const server = createServer((request, response) => {
    request.resume()
    response.setHeader('Content-Type', 'application/json')
    response.end(`${JSON.stringify(answer(request))}\n`)
  })
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve))
  cleanups.push(() => {
    server.close()
    server.closeAllConnections()
  })
  return server.address().port
}

/** One user with one key, through the admin API, as an operator would. */
async function createConsumer(admin) {
  const post = async (path, body) => {
    const response = await fetch(`${admin}${path}`, {
      method: 'POST',
      headers: { 'Content-Type': 'application/json' },
      body: JSON.stringify(body),
    })
    if (!response.ok) throw new Error(`POST ${path}: ${response.status} ${await response.text()}`)
  }
  await post('/users', { username: 'demo', firstname: 'Demo', lastname: 'User' })
  await post('/credentials', {
    consumerId: 'demo',
    type: 'key-auth',
    credential: { keyId: 'demo', keySecret: 'letmein' },
  })
}
