/** Loaded into the gateway by `--import`: at SIGUSR2, writes what it holds to BENCH_PROBE_FILE. Needs --expose-gc. */
import { readdirSync, readFileSync, readlinkSync, renameSync, writeFileSync } from 'node:fs'

const file = process.env.BENCH_PROBE_FILE

process.on('SIGUSR2', () => {
  globalThis.gc()
  globalThis.gc()
  const resources = {}
  for (const name of process.getActiveResourcesInfo()) resources[name] = (resources[name] ?? 0) + 1
  const sockets = countSockets()
  const { rss, heapUsed, external, arrayBuffers } = process.memoryUsage()
  writeFileSync(`${file}.new`, JSON.stringify({ sockets, resources, rss, heapUsed, external, arrayBuffers }))
  renameSync(`${file}.new`, file)
})

/** By what they are for: a connection on a port that is listened on is a client's, any other a backend's. */
function countSockets() {
  const known = new Map(['tcp', 'tcp6'].flatMap((name) => connections(`/proc/self/net/${name}`)))
  const mine = inodes().map((inode) => known.get(inode))
  const ports = new Set(mine.filter((one) => one?.listens).map(({ port }) => port))
  const kinds = { listening: 0, clients: 0, backends: 0, others: 0 }
  for (const one of mine) {
    if (one === undefined) kinds.others++
    else if (one.listens) kinds.listening++
    else if (ports.has(one.port)) kinds.clients++
    else kinds.backends++
  }
  return kinds
}

/** [inode, port and state] of every TCP socket of the machine, as proc(5) has them. */
function connections(table) {
  const lines = readFileSync(table, 'utf8').trim().split('\n').slice(1)
  return lines.map((line) => {
    const fields = line.trim().split(/\s+/)
    return [fields[9], { port: fields[1].split(':')[1], listens: fields[3] === '0A' }]
  })
}

function inodes() {
  return readdirSync('/proc/self/fd').flatMap((fd) => {
    try {
      return /^socket:\[(\d+)\]/.exec(readlinkSync(`/proc/self/fd/${fd}`))?.[1] ?? []
    } catch {
      // the folder was read through a descriptor that is gone
      return []
    }
  })
}
