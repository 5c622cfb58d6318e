/** Loaded into the gateway by `--import`: at SIGUSR2, writes what it holds to BENCH_PROBE_FILE. Needs --expose-gc. */
import { readdirSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'

const file = process.env.BENCH_PROBE_FILE

process.on('SIGUSR2', () => {
  globalThis.gc()
  globalThis.gc()
  const resources = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  const sockets = readdirSync('/proc/self/fd').filter((fd) => {
    try {
      return readlinkSync(`/proc/self/fd/${fd}`).startsWith('socket:')
    } catch {
      // the folder was read through a descriptor that is gone
      return false
    }
  }).length
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  writeFileSync(`${file}.new`, JSON.stringify({ sockets, resources, rss, heapUsed, external, arrayBuffers }))
  renameSync(`${file}.new`, file)
})
