/** Real files: what people, editors and Kubernetes do to a folder. */
import { mkdir, mkdtemp, rename, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { watchFolder, type Change } from './watch.ts'

let folder = ''
let abort = new AbortController()

beforeEach(async () => {
  folder = await mkdtemp(join(tmpdir(), 'watch-'))
  abort = new AbortController()
})
afterEach(async () => {
  abort.abort()
  await rm(folder, { recursive: true, force: true })
})

async function start(path = folder): Promise<(wanted: readonly string[]) => Promise<void>> {
  const watched = watchFolder(path, { signal: abort.signal, settleMs: 20 })
  await watched.ready
  const changes = watched[Symbol.asyncIterator]()
  // a change may be told in several messages; all that is wanted must come, and nothing else
  return async (wanted) => {
    const seen = new Set<string>()
    while (!wanted.every((path) => seen.has(path))) {
      const next: IteratorResult<Change> = await changes.next()
      if (next.done === true) break
      for (const path of next.value.changed) seen.add(path)
    }
    expect([...seen].sort()).toEqual([...wanted].sort())
  }
}

test('written, added, removed, in folders below', async () => {
  await writeFile(join(folder, 'a'), '1')
  const changed = await start()
  await writeFile(join(folder, 'a'), '2')
  await changed(['a'])
  await mkdir(join(folder, 'sub'))
  await writeFile(join(folder, 'sub/b'), '1')
  await changed(['sub/b'])
  await writeFile(join(folder, 'sub/b'), '2')
  await changed(['sub/b'])
  await rm(join(folder, 'a'))
  await changed(['a'])
})

test('an editor writes beside and renames', async () => {
  await writeFile(join(folder, 'a.yml'), '1')
  const changed = await start()
  for (const content of ['2', '3']) {
    const beside = join(folder, '..', `${content}-${Date.now()}.tmp`)
    await writeFile(beside, content)
    await rename(beside, join(folder, 'a.yml'))
    await changed(['a.yml'])
  }
})

test('touched but equal is no change', async () => {
  await writeFile(join(folder, 'a'), '1')
  const changed = await start()
  await utimes(join(folder, 'a'), new Date(), new Date())
  await writeFile(join(folder, 'a'), '1')
  await writeFile(join(folder, 'b'), '1')
  await changed(['b'])
})

test('a ConfigMap swaps ..data, twice', async () => {
  const version = async (name: string, content: string): Promise<void> => {
    await mkdir(join(folder, name))
    await writeFile(join(folder, name, 'a.yml'), content)
    await symlink(name, join(folder, '..data_tmp'))
    await rename(join(folder, '..data_tmp'), join(folder, '..data'))
  }
  await version('..1', 'one')
  await symlink('..data/a.yml', join(folder, 'a.yml'))
  const changed = await start()
  for (const [before, name] of [
    ['..1', '..2'],
    ['..2', '..3'],
  ] as const) {
    await version(name, name)
    await rm(join(folder, before), { recursive: true })
    await changed([`${before}/a.yml`, `${name}/a.yml`, '..data/a.yml', 'a.yml'])
  }
})

test('the folder goes and comes back, or comes late', async () => {
  const late = join(folder, 'late/later')
  const changed = await start(late)
  for (const content of ['1', '2']) {
    await mkdir(late, { recursive: true })
    await writeFile(join(late, 'a'), content)
    await changed(['a'])
    await rm(join(folder, 'late'), { recursive: true })
    await changed(['a'])
  }
})

test('a link round in circles does not hang', async () => {
  await symlink('.', join(folder, 'self'))
  const changed = await start()
  await writeFile(join(folder, 'a'), '1')
  await changed(['a'])
})

test('the end of the signal ends the iteration', async () => {
  const watched = watchFolder(folder, { signal: abort.signal })
  const next = watched[Symbol.asyncIterator]().next()
  await watched.ready
  abort.abort()
  expect((await next).done).toBe(true)
})
