/** Plan → nginx that serves it, with the engine behind for what nginx cannot do. The second target. */
import { existsSync } from 'node:fs'
import { chmod, mkdir, rename } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Plan } from '../../pipeline/plan.ts'
import type { AnyPolicy } from '../../policies/policy.ts'
import type { Services } from '../../policies/services.ts'
import type { Applied, Target } from '../target.ts'
import { withSocketsOf } from './behind.ts'
import { compileNginx, type NginxArtifact, type NginxSettings, type ServedRoute } from './compile.ts'
import { removeStale, writeCertificates, writeWhole } from './files.ts'
import { NginxProcess, ProgramError } from './process.ts'

export interface NginxOptions {
  readonly policies: readonly AnyPolicy[]
  readonly services: Services
  /** The engine, which only ever gets plans with sockets of the file system. `unknown`: its artifacts are its own. */
  readonly engine: Target<unknown>
  /** For sockets, process id and configuration; made where it is not there. */
  readonly folder: string
  readonly certificateFolder: string
  /** Default `nginx`. */
  readonly program?: string
  readonly workers?: number
}

export interface Nginx extends Target<NginxTargetArtifact> {
  /** What is served now, route by route. */
  served(): readonly ServedRoute[]
  /** Where nginx listens now, by the names of the plan's listeners. */
  addresses(): readonly { readonly listener: string; readonly url: string }[]
  /** Of the master; undefined while there is none. */
  readonly pid: number | undefined
}

export interface NginxTargetArtifact {
  readonly nginx: NginxArtifact
  readonly engine: unknown
}

export function createNginx(options: NginxOptions): Nginx {
  const { engine, services } = options
  const folder = resolve(options.folder)
  const certificateFolder = resolve(options.certificateFolder)
  const settings: NginxSettings = {
    policies: options.policies,
    services,
    folder,
    certificateFolder,
    ipv6: existsSync('/proc/net/if_inet6'),
    ...(options.workers === undefined ? {} : { workers: options.workers }),
  }
  const { events, metrics } = services
  const reloads = metrics.counter('gantry_nginx_activations_total', 'Configurations given to nginx, by outcome', [
    'outcome',
  ])
  const restarts = metrics.counter('gantry_nginx_restarts_total', 'How often nginx ended and was started again')
  const nginx = new NginxProcess({
    program: options.program ?? 'nginx',
    folder,
    onLine: (line) => events.emit(/\[(?:emerg|alert|crit)\]/.test(line) ? 'error' : 'warn', 'nginx/log', line),
    onEnd: (how, pauseMs) => {
      restarts([])
      events.emit('error', 'nginx/ended', `nginx ended (${how}); it is started again in ${pauseMs} ms`)
    },
  })
  metrics.gauge('gantry_nginx_up', '1 while nginx runs', () => (nginx.pid === undefined ? 0 : 1))
  let running: NginxArtifact | undefined
  /** What was asked for when that was taken, and what was said of it. */
  let asked: { readonly text: string; readonly told: readonly Diagnostic[] } | undefined
  let behindRunning: { readonly artifact: unknown } | undefined

  const activate = async ({ nginx: artifact, engine: behind }: NginxTargetArtifact): Promise<Applied> => {
    await mkdir(join(folder, 'temporary'), { recursive: true, mode: 0o711 })
    // first what stands behind: nginx must find it when it sends something on
    const both = running === undefined ? artifact.behind : withSocketsOf(running.behind, artifact.behind)
    const applied = await engine.apply(both === artifact.behind ? behind : engine.compile(both).artifact)
    if (applied.kind === 'refused') return applied
    if (asked?.text === artifact.text && running !== undefined && nginx.pid !== undefined)
      return { kind: 'applied', diagnostics: [...applied.diagnostics, ...asked.told] }
    // nginx's workers may be another user than we are; the names of the sockets are no secret, the folder is ours
    if (process.getuid?.() === 0) {
      await chmod(folder, 0o711)
      for (const { address } of artifact.behind.model.listeners) await chmod(address.slice('unix:'.length), 0o666)
    }
    const next = join(folder, 'nginx.conf.candidate')
    const refusedCertificates = new Set<string>()
    let serving = artifact
    let told: readonly Diagnostic[] = []
    for (;;) {
      await writeCertificates(certificateFolder, serving.files)
      await writeWhole(next, serving.text)
      const complaint = await nginx.test(next)
      if (complaint === undefined) break
      // a certificate that it cannot serve must not cost more than its own host
      const culprit = serving.files.map(({ path }) => dirname(path)).find((path) => complaint.includes(`/${path}/`))
      if (culprit === undefined || refusedCertificates.has(culprit))
        return refused(
          'nginx/refused',
          `nginx refuses the configuration: ${complaint}`,
          'this is a mistake of ours: please report it with the plan',
          running,
        )
      refusedCertificates.add(culprit)
      const less = compileNginx(artifact.plan, { ...settings, refusedCertificates })
      serving = less.artifact
      told = less.diagnostics.filter(({ code }) => code === 'nginx/certificate-refused')
    }
    await rename(next, join(folder, 'nginx.conf'))
    if (!(await nginx.serve(serving.digest))) {
      if (running !== undefined) await writeWhole(join(folder, 'nginx.conf'), running.text)
      return refused(
        'nginx/not-taken',
        'nginx did not take the configuration in time',
        'its log says why: often another process has one of the ports',
        running,
      )
    }
    reloads(['applied'])
    running = serving
    asked = { text: artifact.text, told }
    // nobody sends anything to the sockets of before any more
    if (both !== artifact.behind) await engine.apply(behind)
    await removeStale(certificateFolder, serving.files)
    return { kind: 'applied', diagnostics: [...applied.diagnostics, ...told] }
  }

  return {
    name: 'nginx',
    served: () => running?.served ?? [],
    addresses: () =>
      (running?.plan.model.listeners ?? []).map(({ id, protocol, port }) => ({
        listener: id,
        url: `${protocol}://localhost:${port}`,
      })),
    get pid() {
      return nginx.pid
    },
    compile: (plan) => {
      const { artifact, diagnostics } = compileNginx(plan, settings)
      const behind = engine.compile(artifact.behind)
      return {
        artifact: { nginx: artifact, engine: behind.artifact },
        diagnostics: [...diagnostics, ...behind.diagnostics],
      }
    },
    apply: async (artifact) => {
      let result: Applied
      try {
        result = await activate(artifact)
      } catch (error) {
        // no space, no right to write: what is there serves on
        const why = error instanceof Error ? error.message : String(error)
        result =
          error instanceof ProgramError
            ? refused('nginx/not-started', why, 'install nginx, or say where it is: GANTRY_NGINX', running)
            : refused(
                'nginx/not-written',
                `the configuration could not be written: ${why}`,
                `space and rights in ${folder} and ${certificateFolder}`,
                running,
              )
      }
      if (result.kind === 'applied') behindRunning = { artifact: artifact.engine }
      else {
        reloads(['refused'])
        // what stands behind goes back too, so that both say the same
        if (behindRunning !== undefined) await engine.apply(behindRunning.artifact)
      }
      return result
    },
    stop: async (graceMs) => {
      await nginx.stop(graceMs)
      await engine.stop(graceMs)
    },
  }
}

/** `gantry translate --to nginx`. */
export function writeNginx(
  plan: Plan,
  options: {
    readonly policies: readonly AnyPolicy[]
    readonly services: Services
    readonly certificateFolder?: string
  },
): { readonly text: string; readonly diagnostics: readonly Diagnostic[] } {
  const { artifact, diagnostics } = compileNginx(plan, {
    policies: options.policies,
    services: options.services,
    folder: '/run/gantry/nginx',
    certificateFolder: options.certificateFolder ?? '/etc/nginx/ssl',
    ipv6: false,
  })
  const notes = artifact.served
    .filter(({ by }) => by !== 'nginx')
    .map(({ route, why }): Diagnostic => ({
      code: 'nginx/by-engine',
      severity: 'info',
      message: `route ${route} is served by the engine behind nginx: ${why}`,
    }))
  return { text: artifact.text, diagnostics: [...diagnostics, ...notes] }
}

function refused(code: string, message: string, hint: string, running: object | undefined): Applied {
  return {
    kind: 'refused',
    diagnostics: [
      {
        code,
        severity: 'error',
        message: `${message}; ${running === undefined ? 'nothing is served yet' : 'the last good one serves on'}`,
        hint,
        origin: { source: 'nginx' },
      },
    ],
  }
}
