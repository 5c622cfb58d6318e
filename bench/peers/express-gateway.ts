/** The configuration of the bench → Express Gateway from npm on it, installed into the cache at first use, never into the project. */
import { join } from 'node:path'
import { installedIn, installFromNpm } from '../cache.ts'
import { configuration, createConsumer, environment, originOf } from './gantry.ts'
import { freePorts, type Peer } from './peer.ts'
import { startProcess } from './process.ts'

const version = '1.16.11'
/** HTTP/2 it does not speak, and upgrades it does not forward. */
const not = ['h2', 'websocket']

export const expressGateway: Peer = {
  name: 'express-gateway',
  missing: () => installFromNpm(`express-gateway-${version}`, `express-gateway@${version}`),

  async start(place) {
    const installed = join(installedIn(`express-gateway-${version}`), 'node_modules/express-gateway')
    const ports = await freePorts(['http', 'https', 'admin'])
    configuration(place.folder)
    const script = `require(${JSON.stringify(installed)})().load(${JSON.stringify(place.folder)}).run()`
    const running = await startProcess({
      command: process.execPath,
      args: ['--no-deprecation', '-e', script],
      cores: '0',
      readyPort: ports.http,
      env: { ...environment(place, ports), EG_DISABLE_CONFIG_WATCH: '1', LOG_LEVEL: 'error' },
      cwd: join(installed, '../..'),
    })
    await createConsumer(ports.admin)
    const origin = originOf(ports)
    return { ...running, origin: (row) => (not.includes(row) ? undefined : origin(row)) }
  },
}
