/** `/scopes` */
import type { Consumers } from '../../consumers/consumers.ts'
import { ConsumerMistake } from '../../consumers/mistake.ts'
import type { Endpoint } from './admin.ts'
import { Refusal } from './answers.ts'

export const scopes: Endpoint<Consumers> = async ({ method, path, body, answers }, { scopes }) => {
  const [scope, ...more] = path
  if (more.length > 0) return undefined
  const insert = async (names: unknown) => {
    try {
      await scopes.insert(names)
    } catch (error) {
      if (error instanceof ConsumerMistake && error.kind === 'exists') throw new Refusal(409, error.message)
      throw error
    }
    return { status: 201 }
  }
  if (scope === undefined) {
    if (method === 'POST') return insert(body['scopes'])
    if (method !== 'GET') return undefined
    const list = await scopes.list()
    return { status: 200, body: { scopes: list.length === 0 ? null : list } }
  }
  switch (method) {
    case 'GET':
      if (!(await scopes.has(scope))) throw new Refusal(404, `scope not found: ${scope}`)
      return { status: 200, body: { scope } }
    case 'PUT':
      return insert([scope])
    case 'DELETE': {
      const existed = await scopes.remove(scope)
      if (!existed && answers === 'strict') throw new Refusal(404, `scope not found: ${scope}`)
      return { status: 204 }
    }
    default:
      return undefined
  }
}
