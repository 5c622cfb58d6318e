/** `/credentials` */
import type { Consumers } from '../../consumers/consumers.ts'
import type { Endpoint } from './admin.ts'
import { Complaint, Refusal } from './answers.ts'
import { statusAnswer } from './users.ts'

export const credentials: Endpoint<Consumers> = async ({ method, path, body, answers }, consumers) => {
  const { credentials } = consumers
  const [first, id, sub, scope, ...more] = path
  if (more.length > 0) return undefined
  if (first === undefined) {
    if (method === 'GET') return { status: 200, body: { credentials: await credentials.list() } }
    return method === 'POST' ? insert(body, consumers) : undefined
  }
  if (id === undefined) return method === 'GET' ? ofConsumer(first, consumers) : undefined
  const type = first
  if (sub === undefined) {
    if (method !== 'GET') return undefined
    const found = await credentials.get(type, id)
    if (found === undefined && answers === 'strict') throw new Refusal(404, `credential not found: ${id}`)
    return { status: 200, body: found ?? null }
  }
  if (sub === 'status' && scope === undefined && method === 'PUT') {
    return statusAnswer(body, (active) => credentials.setActive(type, id, active))
  }
  if (sub !== 'scopes') return undefined
  // a credential that is not there was 500 here, unlike everywhere else
  const absent = (await credentials.get(type, id)) === undefined
  if (scope === undefined) {
    if (method !== 'PUT') return undefined
    if (absent && answers === 'original') throw new Complaint('Credential not found')
    await credentials.setScopes(type, id, body['scopes'])
    return { status: 204 }
  }
  if (method === 'PUT') {
    if (absent && answers === 'original') throw new Complaint('credential not found')
    await credentials.addScopes(type, id, [scope])
    return { status: 204 }
  }
  if (method !== 'DELETE') return undefined
  if (absent && answers === 'original') throw new Complaint('Credential not found')
  await credentials.removeScopes(type, id, [scope])
  return { status: 204 }
}

async function insert(body: Readonly<Record<string, unknown>>, consumers: Consumers) {
  const { consumerId, type, credential } = body
  const consumer = typeof consumerId === 'string' ? await consumers.find(consumerId) : undefined
  if (consumer === undefined) throw new Refusal(422, `No consumer found with id: ${String(consumerId as string)}`)
  if (
    credential !== undefined &&
    credential !== null &&
    (typeof credential !== 'object' || Array.isArray(credential))
  ) {
    throw new Complaint('credential should be an object')
  }
  const details = (credential ?? {}) as Readonly<Record<string, unknown>>
  return { status: 200, body: await consumers.credentials.insert(consumer.id, type, details) }
}

/** Also of a consumer who is gone, should something have stayed behind in a store that is older than we are. */
async function ofConsumer(nameOrId: string, consumers: Consumers) {
  const consumer = await consumers.find(nameOrId)
  const found = await consumers.credentials.ofConsumer(consumer?.id ?? nameOrId)
  if (consumer === undefined && found.length === 0) throw new Refusal(404, {})
  return { status: 200, body: { credentials: found } }
}
