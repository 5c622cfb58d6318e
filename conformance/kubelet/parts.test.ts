/** Small pure parts: tables of /proc, log queries, lines of a stream. */
import { expect, it } from 'vitest'
import { pod } from './fixtures.ts'
import { lines } from './kube.ts'
import { chosen } from './logs.ts'
import { listens, portOf } from './probe.ts'
import { otherDisks } from './sandbox.ts'

it('listens: state 0A of TCP, or any bound UDP socket', () => {
  const head = '  sl  local_address rem_address   st tx_queue rx_queue\n'
  const row = (state: string) => `   0: 0100007F:1F90 00000000:0000 ${state} 00000000:00000000\n`
  expect(listens([head + row('0A')], [head])).toBe(true)
  expect(listens([head + row('01')], [head])).toBe(false)
  expect(listens([head], [head + row('07')])).toBe(true)
  expect(listens(['', head], [''])).toBe(false)
})

it('portOf: a number, or the container’s name for one', () => {
  const [container] = pod({ ports: [{ name: 'health', containerPort: 8081 }] }).spec.containers
  expect([portOf(container!, 80), portOf(container!, 'health'), portOf(container!, 'no')]).toEqual([
    80,
    8081,
    undefined,
  ])
})

it('chosen: since a time, since seconds, the last few', () => {
  const log = [1000, 2000, 3000].map((time) => ({ time, text: String(time) }))
  const ask = (query: string) => chosen(log, new URLSearchParams(query), 3500).map(({ text }) => text)
  expect(ask('')).toEqual(['1000', '2000', '3000'])
  expect(ask(`sinceTime=${new Date(2000).toISOString()}`)).toEqual(['2000', '3000'])
  expect(ask('sinceSeconds=1')).toEqual(['3000'])
  expect(ask('tailLines=1')).toEqual(['3000'])
  expect(ask('tailLines=0')).toEqual([])
})

it('lines: whatever the chunks, characters stay whole', async () => {
  const bytes = Buffer.from('{"a":"ü"}\n\n{"b":1}\nrest')
  async function* chunks(size: number) {
    for (let at = 0; at < bytes.length; at += size) yield bytes.subarray(at, at + size)
  }
  for (let size = 1; size <= bytes.length; size++) {
    const found: string[] = []
    for await (const line of lines(chunks(size))) found.push(line)
    expect(found).toEqual(['{"a":"ü"}', '{"b":1}'])
  }
})

it('otherDisks: mounts of real disks below /, without what every Pod has of its own', () => {
  const row = (point: string, type: string) => `36 35 98:0 / ${point} rw,noatime master:1 - ${type} /dev/x rw\n`
  const table =
    row('/', 'ext4') +
    row('/home', 'xfs') +
    row('/proc', 'proc') +
    row('/run/x', 'ext4') +
    row('/etc/hosts', 'ext4') +
    row('/tmp', 'tmpfs')
  expect(otherDisks(table)).toEqual(['/home'])
})
