/** A server that forgets, refuses and hangs up → what is told of it, and how soon it is asked again. */
import { expect, test, vi } from 'vitest'
import { type KubernetesClient, KubernetesError, type Reply } from './client.ts'
import { type KubernetesObject, type Observer, reflect } from './reflect.ts'

const object = (name: string, resourceVersion = '1'): KubernetesObject => ({ metadata: { name, resourceVersion } })
const listOf = (...names: readonly string[]): Reply => ({
  status: 200,
  body: { kind: 'PodList', items: names.map((name) => object(name)), metadata: { resourceVersion: '7' } },
})

/** What it says to each list and each watch, in turn; the last one stands. */
function stage(lists: readonly Reply[], watches: readonly (readonly unknown[] | Error)[]) {
  const asked: string[] = []
  const told: string[] = []
  const abort = new AbortController()
  const next = <Item>(items: readonly Item[], turn: number): Item => items[Math.min(turn, items.length - 1)]!
  let listed = 0
  let watched = 0
  const client: Pick<KubernetesClient, 'ask' | 'watch'> = {
    ask: async () => {
      asked.push('list')
      return next(lists, listed++)
    },
    async *watch(path, signal) {
      asked.push(`watch ${new URL(path, 'http://x').searchParams.get('resourceVersion')}`)
      const events = next(watches, watched++)
      if (events instanceof Error) throw events
      yield* events
      if (watched >= watches.length) await new Promise<void>((done) => signal.addEventListener('abort', () => done()))
    },
  }
  const observer: Observer = {
    replace: (objects) => told.push(`replace ${objects.map(({ metadata }) => metadata.name).join(' ')}`),
    set: ({ metadata }) => told.push(`set ${metadata.name}`),
    remove: ({ metadata }) => told.push(`remove ${metadata.name}`),
    absent: ({ status }) => told.push(`absent ${status}`),
    failed: ({ status }) => told.push(`failed ${status}`),
  }
  const run = (more: object = {}): Promise<void> =>
    reflect(
      client as KubernetesClient,
      { path: '/pods', firstPause: 1, longestPause: 4, absentPause: 4, ...more },
      observer,
      abort.signal,
    )
  return { asked, told, run, stop: () => abort.abort() }
}

async function until(check: () => void, running: Promise<void>, stop: () => void): Promise<void> {
  await vi.waitFor(check, { timeout: 5000, interval: 5 })
  stop()
  await running
}

test('lists, then watches from there, and resumes where a watch ended', async () => {
  const { asked, told, run, stop } = stage(
    [listOf('a')],
    [
      [
        { type: 'ADDED', object: object('b', '8') },
        { type: 'BOOKMARK', object: object('', '9') },
      ],
      [{ type: 'DELETED', object: object('a', '10') }],
    ],
  )
  const running = run()
  await until(() => expect(told).toEqual(['replace a', 'set b', 'remove a']), running, stop)
  expect(asked).toEqual(['list', 'watch 7', 'watch 9'])
})

test('lists again after 410, said as an answer or within a watch', async () => {
  const { asked, told, run, stop } = stage(
    [listOf('a'), listOf('b'), listOf('c')],
    [new KubernetesError(410, 'too old'), [{ type: 'ERROR', object: { code: 410, metadata: {} } }], []],
  )
  const running = run()
  await until(() => expect(told).toEqual(['replace a', 'replace b', 'replace c']), running, stop)
  expect(asked.filter((each) => each === 'list')).toHaveLength(3)
})

test('what was there stands while it is refused or missing, and is gone when it stays missing', async () => {
  const refused = (status: number): Reply => ({ status, body: { message: `${status}` } })
  const { told, run, stop } = stage(
    [listOf('a'), refused(403), refused(404), listOf('a'), refused(404)],
    [new KubernetesError(500, 'x'), new KubernetesError(500, 'x'), []],
  )
  const running = run({ goneAfter: 50 })
  await until(() => expect(told.at(-1)).toBe('absent 404'), running, stop)
  expect(told.slice(0, 6)).toEqual(['replace a', 'failed 500', 'failed 403', 'failed 404', 'replace a', 'failed 500'])
  expect(told.filter((each) => each.startsWith('replace'))).toHaveLength(2)
})

test('what was never there is said to be missing at once', async () => {
  const { told, run, stop } = stage([{ status: 404, body: undefined }], [[]])
  const running = run()
  await until(() => expect(told.slice(0, 2)).toEqual(['absent 404', 'absent 404']), running, stop)
})

test('stays away for as long as it is told to', async () => {
  const { asked, told, run, stop } = stage([{ status: 429, body: undefined, retryAfter: 0.3 }, listOf('a')], [[]])
  const began = Date.now()
  const running = run()
  await until(() => expect(told).toEqual(['failed 429', 'replace a']), running, stop)
  expect(Date.now() - began).toBeGreaterThanOrEqual(290)
  expect(asked.slice(0, 2)).toEqual(['list', 'list'])
})

test('a watch that ends at once is not asked for at once', async () => {
  const { asked, run, stop } = stage(
    [listOf('a')],
    Array.from({ length: 1000 }, () => []),
  )
  const running = run({ firstPause: 40, longestPause: 80 })
  await new Promise((done) => setTimeout(done, 400))
  stop()
  await running
  expect(asked.length).toBeLessThan(20)
})
