/** Containers → phase and conditions. */
import { describe, expect, it } from 'vitest'
import { pod } from './fixtures.ts'
import { type Container, type Seen, statusOf } from './status.ts'

const container = (more: Partial<Container> = {}): Container => ({
  spec: pod().spec.containers[0]!,
  image: { entrypoint: ['x'] },
  state: { running: { startedAt: 't' } },
  lastState: {},
  started: 't',
  ready: true,
  restarts: 0,
  ...more,
})
const seen = (containers: readonly Container[], more: Partial<Seen> = {}): Seen => ({
  pod: pod(),
  ip: '10.244.0.2',
  since: 't0',
  turned: new Map(),
  init: [],
  containers,
  ...more,
})
const ended = (exitCode: number) =>
  container({ ready: false, state: { terminated: { exitCode, reason: '', finishedAt: 't' } } })
const conditions = (work: Seen, time = 't1') =>
  Object.fromEntries(statusOf(work, 'h', time).conditions.map(({ type, status }) => [type, status]))

describe('phase', () => {
  it.each([
    ['Running', [container()]],
    ['Running', [container({ ready: false, state: { waiting: { reason: 'CrashLoopBackOff' } } })]],
    ['Running', [container(), ended(0)]],
    ['Succeeded', [ended(0), ended(0)]],
    ['Failed', [ended(0), ended(1)]],
  ])('is %s', (phase, containers) => expect(statusOf(seen(containers), 'h').phase).toBe(phase))
  it('is Pending for a container that never started', () => {
    const { started: _, ...never } = container({ ready: false, state: { waiting: { reason: 'ErrImagePull' } } })
    expect(statusOf(seen([container(), never]), 'h').phase).toBe('Pending')
  })
})

describe('conditions', () => {
  it('are ready only when all containers are', () => {
    expect(conditions(seen([container(), container()]))).toMatchObject({
      Ready: 'True',
      ContainersReady: 'True',
      Initialized: 'True',
    })
    expect(conditions(seen([container(), container({ ready: false })]))).toMatchObject({
      Ready: 'False',
      ContainersReady: 'False',
    })
  })
  it('wait for the init containers', () =>
    expect(conditions(seen([container()], { init: [ended(1)] }))).toMatchObject({ Initialized: 'False' }))
  it('keep the time of their last turn and carry the generation', () => {
    const work = seen([container({ ready: false })])
    statusOf(work, 'h', 't1')
    work.containers[0]!.ready = true
    const turned = statusOf(work, 'h', 't2').conditions
    expect(turned.find(({ type }) => type === 'Ready')).toEqual({
      type: 'Ready',
      status: 'True',
      lastTransitionTime: 't2',
      observedGeneration: 3,
    })
    expect(turned.find(({ type }) => type === 'PodScheduled')?.lastTransitionTime).toBe('t1')
  })
})
