/** FOLDER COUNT → writes that many hashes into the embedded store of that folder, says each on a line, waits to be killed. */
import { lmdbStore } from '../lmdb.ts'

const [, , path = '', count = '1', size = '10'] = process.argv
const store = lmdbStore({ path })
for (let number = 0; number < Number(count); number++) {
  const value = `${number}`.padEnd(Number(size), 'x')
  try {
    await store.write([{ kind: 'set-fields', key: `h:${number}`, fields: { value } }])
    console.log(`written ${number}`)
  } catch (error) {
    console.log(`refused ${number}: ${(error as Error).name}: ${(error as Error).message}`)
    break
  }
}
console.log(`readable ${JSON.stringify(await store.hash('h:0')).slice(0, 12)}`)
setInterval(() => undefined, 1000)
