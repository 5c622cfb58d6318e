/** A Kubernetes API → worlds: Namespaces, Pods by selector, and the one Secret of each routed namespace. Effect. */
import { connectKubernetes, type KubernetesClient } from '../../lib/kubernetes/client.ts'
import { watchKind, type Watched, type WatchedKind, type WatchTimes } from '../../lib/kubernetes/watch.ts'
import type { Diagnostic } from '../../model/diagnostic.ts'
import type { Configuration, Environment } from './environment.ts'
import { followConfiguration } from './read-configuration.ts'
import { readTextFile } from './read-files.ts'
import { keepObject, type NamespaceObject, type PodObject, type SecretObject, sourceName, type World } from './world.ts'

export interface ClusterOptions {
  readonly kubeconfig?: string
  readonly environment: Environment
  readonly times?: WatchTimes
}

/**
 * A world when everything was listed once, and again after each change. What could not be listed at all is waited for, but
 * a Secret: its namespace is served with "not known". While the server is away the last world stands, with a diagnostic.
 */
export async function* readCluster(options: ClusterOptions, signal: AbortSignal): AsyncGenerator<World> {
  let notice: () => void = () => undefined
  const configuration = await followConfiguration(options.environment, readTextFile, () => notice(), signal)
  const configured = configuration.now()
  if (configured.kind === 'refused') {
    yield { configured, namespaces: [], pods: [], secrets: [], unknownSecrets: [], diagnostics: [] }
    return
  }
  const client = await connectKubernetes(options.kubeconfig)
  const cluster = new Cluster(client, configured.configuration, options.times ?? {})
  notice = () => cluster.notice()
  try {
    for (;;) {
      await cluster.change(signal)
      if (signal.aborted) return
      const seen = cluster.look()
      if (seen !== undefined) yield { configured: configuration.now(), ...seen }
    }
  } finally {
    cluster.stop()
    client.close()
  }
}

class Cluster {
  readonly #client: KubernetesClient
  readonly #configuration: Configuration
  readonly #times: WatchTimes
  readonly #namespaces: Watched<NamespaceObject>
  readonly #pods: Watched<PodObject>
  /** By namespace. */
  readonly #secrets = new Map<string, Watched<SecretObject>>()
  #changed = false
  #wake: () => void = () => undefined

  constructor(client: KubernetesClient, configuration: Configuration, times: WatchTimes) {
    this.#client = client
    this.#configuration = configuration
    this.#times = times
    const labelSelector = configuration.selector.text
    this.#namespaces = this.#watch<NamespaceObject>({
      path: '/api/v1/namespaces',
      labelSelector,
      keep: this.#keep('Namespace'),
    })
    this.#pods = this.#watch<PodObject>({ path: '/api/v1/pods', labelSelector, keep: this.#keep('Pod') })
  }

  /** There is something new to look at. */
  notice(): void {
    this.#changed = true
    this.#wake()
  }

  /** Resolves when there is something new to look at. */
  async change(signal: AbortSignal): Promise<void> {
    if (!this.#changed && !signal.aborted)
      await new Promise<void>((resolve) => {
        this.#wake = resolve
        signal.addEventListener('abort', () => resolve(), { once: true })
      })
    this.#changed = false
  }

  /** Undefined while the first lists are on their way, or where nothing is new. */
  look(): Omit<World, 'configured'> | undefined {
    const namespaces = this.#namespaces.items()
    if (namespaces !== undefined) this.#follow(namespaces)
    const pods = this.#pods.items()
    if (namespaces === undefined || pods === undefined) {
      const away = this.#namespaces.state().kind === 'away' || this.#pods.state().kind === 'away'
      // nothing is known yet: the ports open all the same, and say 200 where they are asked for their status
      if (!away) return undefined
      return { namespaces: [], pods: [], secrets: [], unknownSecrets: [], diagnostics: this.#diagnostics() }
    }
    const unknownSecrets: string[] = []
    const secrets: SecretObject[] = []
    for (const [namespace, watched] of this.#secrets) {
      const items = watched.items()
      if (items !== undefined) secrets.push(...items)
      else if (watched.state().kind === 'away') unknownSecrets.push(namespace)
      else return undefined
    }
    return { namespaces, pods, secrets, unknownSecrets, diagnostics: this.#diagnostics() }
  }

  stop(): void {
    for (const watched of [this.#namespaces, this.#pods, ...this.#secrets.values()]) watched.stop()
  }

  /** A Secret is watched by its name, in the namespaces that are routed and in no other. */
  #follow(namespaces: readonly NamespaceObject[]): void {
    const wanted = new Set(namespaces.map(({ name }) => name))
    for (const [name, watched] of this.#secrets) {
      if (wanted.has(name)) continue
      watched.stop()
      this.#secrets.delete(name)
    }
    for (const name of wanted) {
      if (this.#secrets.has(name)) continue
      const fieldSelector = `metadata.name=${this.#configuration.keySecretName}`
      this.#secrets.set(
        name,
        this.#watch<SecretObject>({
          path: `/api/v1/namespaces/${encodeURIComponent(name)}/secrets`,
          fieldSelector,
          keep: this.#keep('Secret'),
        }),
      )
    }
  }

  #diagnostics(): readonly Diagnostic[] {
    const diagnostics: Diagnostic[] = []
    for (const [what, watched] of [
      ['namespaces', this.#namespaces],
      ['pods', this.#pods],
    ] as const) {
      const state = watched.state()
      if (state.kind !== 'away') continue
      diagnostics.push({
        code: 'pods/api-away',
        severity: 'warning',
        message: `the API server does not tell about ${what}: ${state.message}; what it said last is served on`,
        hint:
          state.status === 403
            ? 'the right to list and watch them in the whole cluster'
            : `is ${this.#client.server} up, and reachable from here?`,
        origin: { source: sourceName, object: this.#client.server, field: what },
      })
    }
    // one whose Secret was never read is told about by its namespace
    const silent = [...this.#secrets].filter(
      ([, watched]) => watched.items() !== undefined && watched.state().kind === 'away',
    )
    const state = silent[0]?.[1].state()
    if (state?.kind === 'away')
      diagnostics.push({
        code: 'pods/secrets-away',
        severity: 'warning',
        message: `the API server does not tell about the secret ${this.#configuration.keySecretName} of ${silent.map(([name]) => name).join(', ')}: ${state.message}; what it said last is served on`,
        hint: 'the right to list and watch this secret',
        origin: { source: sourceName, object: this.#client.server, field: 'secrets' },
      })
    return diagnostics
  }

  #keep<Kind extends 'Namespace' | 'Pod' | 'Secret'>(kind: Kind): (object: object) => never {
    return (object) => keepObject(object, kind, this.#configuration) as never
  }

  #watch<Item>(kind: WatchedKind<Item>): Watched<Item> {
    return watchKind(this.#client, kind, () => this.notice(), this.#times)
  }
}
