/** The README's first command → a gateway that does what it prints, and stops on Ctrl-C. */
import { spawn } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const root = fileURLToPath(new URL('..', import.meta.url))

test('the quickstart serves what it promises and stops cleanly', { timeout: 180_000 }, async () => {
  const env = { ...process.env, QUICKSTART_PORT: '0', QUICKSTART_ADMIN_PORT: '0' }
  const child = spawn(process.execPath, ['scripts/quickstart.mjs'], {
    cwd: root,
    stdio: ['ignore', 'pipe', 'pipe', 'ipc'],
    env,
  })
  let printed = ''
  child.stdout?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  child.stderr?.on('data', (chunk: Buffer) => (printed += chunk.toString()))
  const exited = new Promise<number | null>((resolve) => child.once('exit', resolve))
  const first = await Promise.race([
    new Promise<{ url: string; admin: string }>((resolve) => child.once('message', resolve as () => void)),
    exited,
  ])
  if (first === null || typeof first === 'number') throw new Error(`the quickstart ended early:\n${printed}`)
  const { url, admin } = first

  expect((await fetch(`${url}/orders/42`)).status).toBe(401)
  const order = await fetch(`${url}/orders/42`, { headers: { Authorization: 'apiKey demo:letmein' } })
  expect(order.status).toBe(200)
  expect(await order.json()).toMatchObject({ service: 'orders', path: '/orders/42' })

  const statuses: number[] = []
  for (let index = 0; index < 6; index += 1) statuses.push((await fetch(`${url}/weather/today`)).status)
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429])

  expect(await (await fetch(`${admin}/gantry/plan`)).text()).toContain('key-auth')
  const explained = await fetch(`${admin}/gantry/explain?url=${encodeURIComponent(`${url}/orders/42`)}`)
  expect(JSON.stringify(await explained.json())).toContain('key-auth')
  expect(printed).toContain(`curl -i ${url}/orders/42`)

  child.kill('SIGINT')
  expect(await exited).toBe(0)
  await expect(fetch(url)).rejects.toThrow()
})
