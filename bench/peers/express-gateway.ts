/** The configuration of the bench → Express Gateway from npm on it, installed into the cache at first use, never into the project. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { cacheFolder } from '../cache.ts'
import { configuration, createConsumer, environment, type GatewayPorts } from './gantry.ts'
import { startProcess, type Running } from './process.ts'

const version = '1.16.11'

export function installExpressGateway(): string {
  const folder = join(cacheFolder(), `express-gateway-${version}`)
  if (!existsSync(join(folder, 'node_modules/express-gateway'))) {
    mkdirSync(folder, { recursive: true })
    writeFileSync(join(folder, 'package.json'), '{"private":true}')
    execFileSync('npm', ['install', '--no-audit', '--no-fund', '--silent', `express-gateway@${version}`], {
      cwd: folder,
      stdio: 'inherit',
    })
  }
  return folder
}

export async function startExpressGateway(folder: string, ports: GatewayPorts): Promise<Running> {
  const installed = installExpressGateway()
  configuration(folder)
  const script = `require(${JSON.stringify(join(installed, 'node_modules/express-gateway'))})().load(${JSON.stringify(folder)}).run()`
  const env = { ...environment(ports), EG_DISABLE_CONFIG_WATCH: '1', LOG_LEVEL: 'error' }
  const running = await startProcess({
    command: process.execPath,
    args: ['--no-deprecation', '-e', script],
    core: 0,
    readyPort: ports.http,
    env,
    cwd: installed,
  })
  await createConsumer(ports.admin)
  return running
}
