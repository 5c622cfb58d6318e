/** Where the admin API listens: flags before the configuration, loopback without a token, closed where nobody asks. */
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import type { Settings } from '../runtime/settings.ts'
import type { Wishes } from '../sources/source.ts'
import { AdminDoor } from './door.ts'

const open: { close(): unknown }[] = []
afterEach(async () => {
  for (const one of open.splice(0)) await one.close()
})

function door(settings: Partial<Settings['admin']>): AdminDoor {
  const made = new AdminDoor({ answers: 'original', ...settings })
  open.push(made)
  return made
}

const expressGateway = { folder: '/', gatewayConfig: {}, systemConfig: {}, models: {} }
const wishing = (address: string): readonly Wishes[] => [{ admin: { address, port: 0 }, expressGateway }]
const hostOf = (made: AdminDoor): string | undefined => made.url?.replace(/:\d+$/, '')

test.each([
  [{}, wishing('127.0.0.1'), 'http://127.0.0.1'],
  [{ address: '127.0.0.2' }, wishing('127.0.0.1'), 'http://127.0.0.2'],
  [{ address: '127.0.0.2' }, wishing('0.0.0.0'), 'http://127.0.0.2'],
  // no admin section: whoever says where, wants one
  [{ address: '127.0.0.2', port: 0 }, [{ expressGateway }], 'http://127.0.0.2'],
  [{ port: 0 }, [{ expressGateway }], 'http://127.0.0.1'],
  [{}, [{ expressGateway }], undefined],
  [{ enabled: false }, [{}], undefined],
  [{ enabled: false, port: 0 }, wishing('127.0.0.1'), undefined],
  [{ token: 'sixteen letters and more' }, wishing('0.0.0.0'), 'http://0.0.0.0'],
  [{ token: 'sixteen letters and more', address: '127.0.0.3' }, wishing('0.0.0.0'), 'http://127.0.0.3'],
] as const)('settings %j, wishes %j: %s', async (settings, wishes, expected) => {
  const made = door(settings)
  expect(await made.move(wishes, [])).toEqual([])
  expect(hostOf(made)).toBe(expected)
})

test('an address alone asks for one on the usual port', async () => {
  const made = door({ address: '127.0.0.4' })
  const [taken] = await made.move([{ expressGateway }], [])
  // where somebody has that port, it was asked for all the same
  expect(made.url ?? taken?.message).toContain('127.0.0.4:9876')
})

test('who says that it shall be open has it, though the configuration has no admin section', async () => {
  const made = door({ enabled: true })
  const [taken] = await made.move([{ expressGateway }], [])
  expect(made.url ?? taken?.message).toContain('127.0.0.1:9876')
})

test('without a token nobody else is let in, whoever wants it', async () => {
  for (const [settings, wishes] of [
    [{}, wishing('0.0.0.0')],
    [{ address: '0.0.0.0' }, wishing('127.0.0.1')],
  ] as const) {
    const made = door(settings)
    expect(await made.move(wishes, [])).toMatchObject([{ code: 'gantry/admin-without-token', severity: 'warning' }])
    expect(hostOf(made)).toBe('http://127.0.0.1')
  }
})

test('a port that is taken is said, and where it listened it goes on', async () => {
  const other = createServer()
  await new Promise<void>((resolve) => other.listen(0, '127.0.0.1', resolve))
  open.push({ close: () => other.close() })
  const { port } = other.address() as AddressInfo
  const made = door({})
  await made.move(wishing('127.0.0.1'), [])
  const before = made.url
  const diagnostics = await made.move([{ admin: { address: '127.0.0.1', port }, expressGateway }], [])
  expect(diagnostics).toMatchObject([{ code: 'gantry/admin-port', severity: 'error' }])
  expect(made.url).toBe(before)
  expect((await fetch(`${before}/nothing`)).status).toBe(404)
})
