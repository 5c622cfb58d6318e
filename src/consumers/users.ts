/** Users: created, found, changed, switched off and on, removed with all that hangs on them. */
import { applicationsOfUser } from './applications.ts'
import { type ConsumerContext, type ConsumerObject, consumerOf, fieldsOf, pageOfObjects, timeText } from './context.ts'
import { removalOfConsumer } from './credentials.ts'
import { newId } from './ids.ts'
import { ConsumerMistake } from './mistake.ts'
import type { Change } from './store.ts'

export type Users = ReturnType<typeof usersOf>

export function usersOf(context: ConsumerContext) {
  const { store, keys, models, now } = context
  const get = async (id: string): Promise<ConsumerObject | undefined> => {
    const fields = await store.hash(keys.user(id))
    return fields === undefined ? undefined : consumerOf(id, fields)
  }
  const find = async (username: string): Promise<ConsumerObject | undefined> => {
    const [id] = await store.members(keys.username(username))
    return id === undefined ? undefined : get(id)
  }
  const missing = (id: string): ConsumerMistake => new ConsumerMistake('missing', `User not found: ${id}`)

  return {
    get,
    find,
    /** By username, else by id. */
    findByNameOrId: async (nameOrId: string) => (await find(nameOrId)) ?? get(nameOrId),
    list: (cursor: string, count: number) => pageOfObjects(store, keys.user(''), cursor, count),

    /** id, isActive and the times are ours to say, never among the properties. */
    insert: async (properties: Readonly<Record<string, unknown>>, own = newId()): Promise<ConsumerObject> => {
      const { id: _id, isActive: _active, createdAt: _created, updatedAt: _updated, ...said } = properties
      const { username, ...rest } = models.users.complete(said)
      if (typeof username !== 'string' || username === '') throw new ConsumerMistake('invalid', 'Invalid username')
      const time = timeText(now())
      const user = { isActive: true, username, id: own, ...rest, createdAt: time, updatedAt: time }
      const written = await store.write(
        [
          { kind: 'set-fields', key: keys.user(user.id), fields: fieldsOf(user) },
          { kind: 'add-members', key: keys.username(username), members: [user.id] },
        ],
        { absent: [keys.username(username), keys.user(own)] },
      )
      if (!written) throw new ConsumerMistake('exists', 'username already exists')
      return user
    },

    /** The username stays, whatever the caller says. */
    update: async (id: string, properties: Readonly<Record<string, unknown>>): Promise<ConsumerObject> => {
      const { username: _username, ...said } = properties
      models.users.checkUpdate(said)
      const changes: Change[] = [
        { kind: 'set-fields', key: keys.user(id), fields: { ...fieldsOf(said), updatedAt: timeText(now()) } },
      ]
      if (!(await store.write(changes, { present: [keys.user(id)] }))) throw missing(id)
      return (await get(id)) ?? raise(missing(id))
    },

    /** Did that change anything? Switching off takes the applications along; switching on does not bring them back. */
    setActive: async (id: string, active: boolean): Promise<boolean> => {
      const user = await get(id)
      if (user === undefined) throw missing(id)
      if (user.isActive === active) return false
      const fields = { isActive: String(active), updatedAt: timeText(now()) }
      const changes: Change[] = [{ kind: 'set-fields', key: keys.user(id), fields }]
      if (!active) {
        for (const application of await applicationsOfUser(context, id)) {
          if (application.isActive) changes.push({ kind: 'set-fields', key: keys.application(application.id), fields })
        }
      }
      if (!(await store.write(changes, { present: changes.map(({ key }) => key) }))) throw missing(id)
      return true
    },

    /** With applications, credentials and tokens, in one step. False: there is none. */
    remove: async (id: string): Promise<boolean> => {
      const user = await get(id)
      if (user === undefined) return false
      const username = typeof user['username'] === 'string' ? user['username'] : ''
      const changes: Change[] = [
        { kind: 'delete', key: keys.user(id) },
        { kind: 'remove-members', key: keys.username(username), members: [id] },
        { kind: 'delete', key: keys.userApplications(id) },
        ...(await removalOfConsumer(context, id)),
      ]
      for (const application of await applicationsOfUser(context, id)) {
        const name = typeof application['name'] === 'string' ? application['name'] : ''
        changes.push(
          { kind: 'delete', key: keys.application(application.id) },
          { kind: 'remove-members', key: keys.applicationName(name), members: [application.id] },
          ...(await removalOfConsumer(context, application.id)),
        )
      }
      return store.write(changes, { present: [keys.user(id)] })
    },
  }
}

function raise(error: Error): never {
  throw error
}
