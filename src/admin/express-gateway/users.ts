/** `/users` */
import type { Consumers } from '../../consumers/consumers.ts'
import { ConsumerMistake } from '../../consumers/mistake.ts'
import type { Call, Endpoint } from './admin.ts'
import { Refusal } from './answers.ts'

export const users: Endpoint<Consumers> = async (call, { users }) => {
  const { method, path, body } = call
  const [nameOrId, sub, ...more] = path
  if (more.length > 0 || (sub !== undefined && sub !== 'status')) return undefined
  if (nameOrId === undefined) {
    if (method === 'GET') {
      const { objects, next } = await users.list(...pageOf(call))
      return { status: 200, body: { users: objects, nextKey: nextKey(next) } }
    }
    if (method !== 'POST') return undefined
    try {
      return { status: 200, body: await users.insert(body) }
    } catch (error) {
      if (error instanceof ConsumerMistake && error.kind === 'exists') throw new Refusal(409, error.message)
      throw error
    }
  }
  const found = await users.findByNameOrId(nameOrId)
  const missing = (words: string) => new Refusal(404, `${words}: ${nameOrId}`)
  if (sub === 'status') {
    if (method !== 'PUT') return undefined
    if (found === undefined) throw missing('user not found')
    return statusAnswer(body, (active) => users.setActive(found.id, active))
  }
  if (!['GET', 'PUT', 'DELETE'].includes(method)) return undefined
  if (found === undefined) throw missing('User not found')
  if (method === 'GET') return { status: 200, body: found }
  if (method === 'PUT') return { status: 200, body: await users.update(found.id, body) }
  if (!(await users.remove(found.id))) throw missing('User not found')
  return { status: 204 }
}

export function pageOf({ query }: Call): [cursor: string, count: number] {
  const count = Number(query.get('count') ?? '100')
  return [query.get('start') ?? '0', Number.isInteger(count) && count > 0 ? Math.min(count, 10_000) : 100]
}

/** A number, as clients know it; a cursor that no number holds stays a text. */
export function nextKey(next: string): number | string {
  const number = Number(next)
  return Number.isSafeInteger(number) ? number : next
}

/** Whatever is not true switches off. */
export async function statusAnswer(
  body: Readonly<Record<string, unknown>>,
  setActive: (active: boolean) => Promise<boolean>,
) {
  const active = body['status'] === true || body['status'] === 'true'
  const changed = await setActive(active)
  const word = active ? 'Active' : 'Inactive'
  return { status: 200, body: { status: changed ? (active ? 'Activated' : 'Deactivated') : word } }
}
