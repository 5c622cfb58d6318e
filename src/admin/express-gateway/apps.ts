/** `/apps` */
import type { Consumers } from '../../consumers/consumers.ts'
import type { Endpoint } from './admin.ts'
import { Complaint, Refusal } from './answers.ts'
import { nextKey, pageOf, statusAnswer } from './users.ts'

export const apps: Endpoint<Consumers> = async (call, { applications, users }) => {
  const { method, path, body } = call
  const [nameOrId, sub, ...more] = path
  if (more.length > 0 || (sub !== undefined && sub !== 'status')) return undefined
  if (nameOrId === undefined) {
    if (method === 'GET') {
      const { objects, next } = await applications.list(...pageOf(call))
      return { status: 200, body: { apps: objects, nextKey: nextKey(next) } }
    }
    if (method !== 'POST') return undefined
    const owner = body['userId']
    if (typeof owner !== 'string' || owner === '') throw new Complaint('invalid username')
    const user = await users.findByNameOrId(owner)
    if (user === undefined) throw new Refusal(409, 'The specified user does not exist')
    return { status: 200, body: await applications.insert(body, user.id) }
  }
  if (!['GET', 'PUT', 'DELETE'].includes(method) || (sub === 'status' && method !== 'PUT')) return undefined
  const found = await applications.findByNameOrId(nameOrId)
  const missing = new Refusal(404, `Application not found: ${nameOrId}`)
  if (found === undefined) throw missing
  if (sub === 'status') return statusAnswer(body, (active) => applications.setActive(found.id, active))
  if (method === 'GET') return { status: 200, body: found }
  if (method === 'PUT') return { status: 200, body: await applications.update(found.id, body) }
  if (!(await applications.remove(found.id))) throw missing
  return { status: 204 }
}
