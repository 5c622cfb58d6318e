/** Environment, and the certificate files that it names → the configuration now, and again when they change. Effect. */
import { watchFolder } from '../../lib/watch/watch.ts'
import { type Configured, type Environment, readEnvironment, type ReadText } from './environment.ts'

export interface FollowedConfiguration {
  now(): Configured
}

/**
 * What the variables say holds for the life of the process; the files behind SSL_CERT and SSL_KEY may change. A pair that
 * is not good (half written, or of one another's) leaves the last good one, with a diagnostic.
 */
export async function followConfiguration(
  environment: Environment,
  readText: ReadText,
  changed: () => void,
  signal: AbortSignal,
): Promise<FollowedConfiguration> {
  let now = readEnvironment(environment, readText)
  if (now.kind === 'refused' || now.configuration.tls === undefined) return { now: () => now }
  let good = now
  const look = (): void => {
    const next = readEnvironment(environment, readText)
    if (next.kind === 'configured') now = good = next
    else {
      const told = next.diagnostics.map((one) => ({
        ...one,
        code: 'pods/certificate-files',
        message: `${one.message}; the last good pair is served on`,
      }))
      now = { ...good, diagnostics: [...good.diagnostics, ...told] }
    }
    changed()
  }
  for (const name of ['SSL_CERT', 'SSL_KEY']) {
    const watch = watchFolder(environment[name] ?? '', { signal })
    await watch.ready
    void (async () => {
      for await (const _ of watch) look()
    })()
  }
  return { now: () => now }
}
