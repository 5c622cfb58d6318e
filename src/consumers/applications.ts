/** Applications: always somebody's, their name unique for that user. */
import { type ConsumerContext, type ConsumerObject, consumerOf, fieldsOf, pageOfObjects, timeText } from './context.ts'
import { removalOfConsumer } from './credentials.ts'
import { newId } from './ids.ts'
import { ConsumerMistake } from './mistake.ts'
import type { Change } from './store.ts'

export type Applications = ReturnType<typeof applicationsOf>

export function applicationsOf(context: ConsumerContext) {
  const { store, keys, models, now } = context
  const get = async (id: string): Promise<ConsumerObject | undefined> => {
    const fields = await store.hash(keys.application(id))
    return fields === undefined ? undefined : consumerOf(id, fields)
  }
  const named = async (name: string): Promise<readonly ConsumerObject[]> => {
    const ids = await store.members(keys.applicationName(name))
    const found = await Promise.all([...ids].sort().map(get))
    // an index that an older program left behind names what has long had another name
    return found.filter((application) => application !== undefined && application['name'] === name) as ConsumerObject[]
  }
  const find = async (name: string): Promise<ConsumerObject | undefined> => {
    const found = await named(name)
    if (found.length > 1) {
      const ids = found.map(({ id }) => id).join(', ')
      throw new ConsumerMistake('ambiguous', `Multiple applications with ${name} have been found: ${ids}`)
    }
    return found[0]
  }
  const missing = (id: string): ConsumerMistake => new ConsumerMistake('missing', `Application not found: ${id}`)
  const nameTaken = (name: string) =>
    new ConsumerMistake('exists', `Failed to insert application: the user has an application named ${name} already`)

  return {
    get,
    find,
    named,
    /** By id, else by name. Throws ConsumerMistake('ambiguous') where several users have one of that name. */
    findByNameOrId: async (nameOrId: string) => (await get(nameOrId)) ?? find(nameOrId),
    ofUser: (userId: string) => applicationsOfUser(context, userId),
    list: (cursor: string, count: number) => pageOfObjects(store, keys.application(''), cursor, count),

    /** The user must exist; who does not know whether it does asks first. */
    insert: async (
      properties: Readonly<Record<string, unknown>>,
      userId: string,
      own = newId(),
    ): Promise<ConsumerObject> => {
      const {
        userId: _user,
        id: _id,
        isActive: _active,
        createdAt: _created,
        updatedAt: _updated,
        ...said
      } = properties
      const { name, ...rest } = models.applications.complete(said)
      if (typeof name !== 'string' || name === '') throw new ConsumerMistake('invalid', 'Invalid name')
      const time = timeText(now())
      const application = { isActive: true, id: own, userId, name, ...rest, createdAt: time, updatedAt: time }
      // guarded by the index as it was seen: two that come at once do not both get the name
      for (let tries = 0; tries < 10; tries++) {
        const members = await store.members(keys.applicationName(name))
        if ((await named(name)).some((other) => other['userId'] === userId)) throw nameTaken(name)
        const written = await store.write(
          [
            { kind: 'set-fields', key: keys.application(application.id), fields: fieldsOf(application) },
            { kind: 'add-members', key: keys.applicationName(name), members: [application.id] },
            { kind: 'add-members', key: keys.userApplications(userId), members: [application.id] },
          ],
          {
            present: [keys.user(userId)],
            absent: [keys.application(own)],
            members: [{ key: keys.applicationName(name), members }],
          },
        )
        if (written) return application
        if ((await store.hash(keys.user(userId))) === undefined) {
          throw new ConsumerMistake('unknown-consumer', 'The specified user does not exist')
        }
      }
      throw nameTaken(name)
    },

    update: async (id: string, properties: Readonly<Record<string, unknown>>): Promise<ConsumerObject> => {
      const { userId: _user, ...said } = properties
      models.applications.checkUpdate(said)
      const before = await get(id)
      if (before === undefined) throw missing(id)
      const fields = fieldsOf(said)
      const changes: Change[] = [
        { kind: 'set-fields', key: keys.application(id), fields: { ...fields, updatedAt: timeText(now()) } },
      ]
      const oldName = String(before['name'])
      const name = fields['name'] ?? oldName
      if (name !== oldName) {
        if ((await named(name)).some((other) => other['userId'] === before['userId'])) throw nameTaken(name)
        changes.push(
          { kind: 'remove-members', key: keys.applicationName(oldName), members: [id] },
          { kind: 'add-members', key: keys.applicationName(name), members: [id] },
        )
      }
      if (!(await store.write(changes, { present: [keys.application(id)] }))) throw missing(id)
      return consumerOf(id, { ...fieldsOf(before), ...fields, updatedAt: timeText(now()) })
    },

    /** Did that change anything? */
    setActive: async (id: string, active: boolean): Promise<boolean> => {
      const application = await get(id)
      if (application === undefined) throw missing(id)
      if (application.isActive === active) return false
      const fields = { isActive: String(active), updatedAt: timeText(now()) }
      const changes: Change[] = [{ kind: 'set-fields', key: keys.application(id), fields }]
      if (!(await store.write(changes, { present: [keys.application(id)] }))) throw missing(id)
      return true
    },

    /** With credentials and tokens, in one step. False: there is none. */
    remove: async (id: string): Promise<boolean> => {
      const application = await get(id)
      if (application === undefined) return false
      const changes: Change[] = [
        { kind: 'delete', key: keys.application(id) },
        { kind: 'remove-members', key: keys.applicationName(String(application['name'])), members: [id] },
        { kind: 'remove-members', key: keys.userApplications(String(application['userId'])), members: [id] },
        ...(await removalOfConsumer(context, id)),
      ]
      return store.write(changes, { present: [keys.application(id)] })
    },
  }
}

export async function applicationsOfUser(
  { store, keys }: ConsumerContext,
  userId: string,
): Promise<readonly ConsumerObject[]> {
  const ids = [...(await store.members(keys.userApplications(userId)))].sort()
  const hashes = await store.hashes(ids.map(keys.application))
  return ids.flatMap((id, index) => {
    const fields = hashes[index]
    return fields === undefined ? [] : [consumerOf(id, fields)]
  })
}
