/** `gantry run FOLDER`: serves until it is told to stop. Exit code 0 after a graceful stop, 1 when the first configuration is refused. */
import { resolve } from 'node:path'
import type { Command } from 'commander'
import { AdminDoor } from '../../admin/door.ts'
import { gantryAdmin } from '../../admin/gantry.ts'
import { hasErrors } from '../../model/diagnostic.ts'
import { createEvents } from '../../runtime/events.ts'
import { exposeStale, startLoop, type Loop } from '../../runtime/loop.ts'
import { createMetrics } from '../../runtime/metrics.ts'
import type { Settings } from '../../runtime/settings.ts'
import { recogniseFolder } from '../load.ts'
import type { Machine, Parts } from '../parts.ts'
import { drawFor, writeError } from '../print.ts'
import { readSettings } from '../settings-options.ts'

export async function run(parts: Parts, folder: string, command: Command): Promise<number> {
  const place = resolve(folder)
  const { settings, diagnostics } = readSettings(command, place, process.env)
  if (hasErrors(diagnostics)) {
    writeError(drawFor(diagnostics, place, process.stderr))
    return 2
  }
  const sources = await recogniseFolder(parts, place, settings.from)
  const format = settings.log.format === 'auto' ? (process.stderr.isTTY ? 'text' : 'json') : settings.log.format
  const events = createEvents({ level: settings.log.level, format })
  const metrics = createMetrics()
  adviseNode((message) => events.emit('warn', 'gantry/node-version', message))

  const names = sources.map(({ source }) => source.name)
  // ten thousand routes take seconds: whoever waits knows for what
  events.emit('info', 'gantry/reading', `reading ${place} as ${names.join(' and ')}`)
  const machine = await parts.start({ settings, folder: place, events, metrics, settled: () => loop.settled() })
  const admin = new AdminDoor(settings.admin)
  const handlers = [
    gantryAdmin({
      version: parts.version,
      state: () => loop.state(),
      events,
      metrics,
      addresses: () => machine.addresses(),
      startedAt: Date.now(),
    }),
    ...machine.adminHandlers,
  ]
  const loop: Loop = startLoop({
    drafts: parts.read(
      {
        folder: place,
        sources: names,
        environment: { ...process.env },
        watch: settings.watch,
      },
      events,
    ),
    target: machine.target,
    grant: async (wishes) => [...(await machine.grant(wishes)), ...(await admin.move(wishes, handlers))],
    events,
  })

  exposeStale(metrics, loop)
  loop.onChange((state) => {
    if (state.plan !== undefined) machine.announce(admin.server)
  })
  const first = await Promise.race([loop.first, signalled()])
  if (first === 'signal') return stop(loop, machine, admin, settings)
  if (first.plan === undefined) {
    writeError(drawFor(first.diagnostics, place, process.stderr))
    await stop(loop, machine, admin, settings)
    return 1
  }
  for (const { listener, url } of machine.addresses())
    events.emit('info', 'gantry/listening', `${listener} listening on ${url}`, { url })
  if (admin.url !== undefined)
    events.emit('info', 'gantry/admin-listening', `admin API listening on ${admin.url}`, { url: admin.url })
  process.send?.({ kind: 'ready', addresses: machine.addresses(), admin: admin.url })
  await signalled()
  events.emit('info', 'gantry/stopping', `stopping: what is under way has ${settings.grace} ms to finish`)
  return stop(loop, machine, admin, settings)
}

async function stop(loop: Loop, machine: Machine, admin: AdminDoor, settings: Settings): Promise<number> {
  // a second signal means now
  const now = (): never => process.exit(130)
  process.once('SIGINT', now).once('SIGTERM', now)
  await loop.stop()
  await machine.target.stop(settings.grace)
  await admin.close()
  await machine.close()
  return 0
}

function signalled(): Promise<'signal'> {
  return new Promise((resolvePromise) => {
    for (const signal of ['SIGINT', 'SIGTERM'] as const) process.once(signal, () => resolvePromise('signal'))
  })
}

/** Said once at start: the floor works, but its maintenance has ended. */
function adviseNode(say: (message: string) => void): void {
  const major = Number(process.versions.node.split('.')[0])
  if (major < 22)
    say(`Node ${process.versions.node} is past its support; it works, Node 26 is faster and is what we recommend`)
}
