/** What the kubelet knows of a Pod → its status in the API. Pure but for the clock that it is given. */
import type { ChildProcess } from 'node:child_process'
import type { Image } from './environment.ts'
import type { ContainerSpec, Pod } from './objects.ts'

export interface State {
  readonly waiting?: { readonly reason: string; readonly message?: string }
  readonly running?: { readonly startedAt: string }
  readonly terminated?: {
    readonly exitCode: number
    readonly reason: string
    readonly startedAt?: string
    readonly finishedAt: string
  }
}

export interface Container {
  readonly spec: ContainerSpec
  readonly image: Image | undefined
  state: State
  lastState: State
  started?: string
  ready: boolean
  restarts: number
  child?: ChildProcess
}

/** When each condition last changed. */
export type Turned = Map<string, { readonly status: string; readonly time: string }>

export interface Seen {
  readonly pod: Pod
  readonly ip: string
  readonly since: string
  readonly turned: Turned
  readonly init: readonly Container[]
  readonly containers: readonly Container[]
}

export interface Condition {
  readonly type: string
  readonly status: 'True' | 'False'
  readonly lastTransitionTime: string
  readonly observedGeneration: number | undefined
}

export interface PodStatus {
  readonly phase: 'Pending' | 'Running' | 'Succeeded' | 'Failed'
  readonly podIP: string
  readonly conditions: readonly Condition[]
  readonly [field: string]: unknown
}

/** Seconds are all that the API keeps of a time. */
export const now = (): string => new Date().toISOString().replace(/\.\d+/, '')

export function statusOf(work: Seen, host: string, time: string = now()): PodStatus {
  const { pod, ip, containers, init, since } = work
  const ready = containers.every((container) => container.ready)
  const condition = (type: string, holds: boolean): Condition => {
    const status = holds ? 'True' : 'False'
    const before = work.turned.get(type)
    const turned = before?.status === status ? before.time : time
    work.turned.set(type, { status, time: turned })
    return { type, status, lastTransitionTime: turned, observedGeneration: pod.metadata.generation }
  }
  const told = ({ spec, state, lastState, ready: isReady, started, restarts }: Container) => ({
    name: spec.name,
    image: spec.image,
    imageID: `lab://${spec.image}`,
    ready: isReady,
    started: state.running !== undefined,
    restartCount: restarts,
    state,
    lastState,
    ...(started && { containerID: `lab://${pod.metadata.uid}/${spec.name}/${restarts}` }),
  })
  return {
    phase: phaseOf(containers),
    podIP: ip,
    podIPs: [{ ip }],
    hostIP: host,
    hostIPs: [{ ip: host }],
    startTime: since,
    observedGeneration: pod.metadata.generation,
    conditions: [
      condition('PodScheduled', true),
      condition('PodReadyToStartContainers', true),
      condition(
        'Initialized',
        init.every(({ state }) => state.terminated?.exitCode === 0),
      ),
      condition('ContainersReady', ready),
      condition('Ready', ready),
    ],
    ...(init.length > 0 && { initContainerStatuses: init.map(told) }),
    containerStatuses: containers.map(told),
  }
}

function phaseOf(containers: readonly Container[]): PodStatus['phase'] {
  const codes = containers.map(({ state }) => state.terminated?.exitCode)
  if (codes.every((code) => code !== undefined)) return codes.some((code) => code !== 0) ? 'Failed' : 'Succeeded'
  // an image that cannot be had never starts: such a Pod is pending, not running
  return containers.every(({ started }) => started !== undefined) ? 'Running' : 'Pending'
}
