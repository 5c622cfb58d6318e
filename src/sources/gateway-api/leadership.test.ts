/** Statuses wait for the data planes of the latest time that leadership was won. */
import { expect, test } from 'vitest'
import { createLeadership } from './leadership.ts'

test('leadership that was lost and won again waits for the later of both', async () => {
  const waits: (() => void)[] = []
  let elected = true
  const leadership = createLeadership(
    () => elected,
    () => new Promise((resolve) => void waits.push(resolve)),
  )
  const heard: boolean[] = []
  leadership.onChange((leads) => void heard.push(leads))
  const first = leadership.begin()
  elected = false
  elected = true
  const second = leadership.begin()
  waits[0]?.()
  await first
  expect(leadership.leads()).toBe(false)
  expect(heard).toEqual([])
  waits[1]?.()
  await second
  expect(leadership.leads()).toBe(true)
  expect(heard).toEqual([true])
})
