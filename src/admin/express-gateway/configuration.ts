/** `/api-endpoints`, `/service-endpoints`, `/pipelines`, `/policies`: read from what is served, written to the file. */
import type { Call } from './admin.ts'
import { type Answer, type Fields, Refusal } from './answers.ts'
import { type Edit, editText, Unfit } from './edit.ts'
import { configFile, writeWhole } from './file.ts'
import type { ExpressGatewayAdminOptions } from './options.ts'

const sections = {
  'api-endpoints': 'apiEndpoints',
  'service-endpoints': 'serviceEndpoints',
  pipelines: 'pipelines',
} as const
export const configKinds: readonly string[] = [...Object.keys(sections), 'policies']

/**
 * One change at a time. A change that would not be served is refused (422) and nothing is written; one that is written
 * is served when the answer comes.
 */
export function configuration(options: ExpressGatewayAdminOptions) {
  let last: Promise<unknown> = Promise.resolve()

  const change = async (edit: Edit): Promise<'created' | 'updated' | 'deleted' | 'unchanged'> => {
    const placeholder = placeholderIn(edit)
    if (placeholder !== undefined) {
      throw new Refusal(
        422,
        `${placeholder} would be read from the environment: that can only be written into the file`,
      )
    }
    const mine = last.then(async () => {
      const active = options.configuration()
      if (active === undefined) throw new Refusal(503, 'no configuration is being served')
      const file = await configFile(active.folder)
      let edited: ReturnType<typeof editText>
      try {
        edited = editText(file.text, edit, file.format)
      } catch (error) {
        if (error instanceof Unfit) throw new Refusal(422, error.message)
        throw error
      }
      if (edited.outcome === 'unchanged') return edited.outcome
      const wrong = await options.check(edited.text)
      if (wrong.length > 0) throw new Refusal(422, wrong.join(', '))
      try {
        await writeWhole(file.path, edited.text)
      } catch (error) {
        throw new Refusal(
          500,
          `the configuration cannot be written: ${error instanceof Error ? error.message : String(error)}`,
        )
      }
      await options.settled()
      return edited.outcome
    })
    last = mine.catch(() => undefined)
    return mine
  }

  return async (kind: string, call: Call): Promise<Answer | undefined> => {
    const { method, path, body } = call
    const [name, ...more] = path
    if (more.length > 0) return undefined
    const served = options.configuration()?.gatewayConfig ?? {}
    if (kind === 'policies') {
      const list = Array.isArray(served['policies']) ? (served['policies'] as unknown[]) : []
      if (name === undefined) return method === 'GET' ? { status: 200, body: list } : undefined
      if (method === 'PUT') {
        await change({ kind: 'add', section: 'policies', name })
        return { status: 200, body: { status: 'ok' } }
      }
      if (method !== 'DELETE') return undefined
      await change({ kind: 'remove', section: 'policies', name })
      return { status: 204 }
    }
    const section = sections[kind as keyof typeof sections]
    const map = (served[section] ?? {}) as Fields
    const value = name !== undefined && Object.hasOwn(map, name) ? map[name] : undefined
    if (name === undefined) return method === 'GET' ? { status: 200, body: map } : undefined
    switch (method) {
      case 'GET':
        return value === undefined ? { status: 404 } : { status: 200, body: value }
      case 'PUT':
        return { status: (await change({ kind: 'set', section, name, value: body })) === 'created' ? 201 : 204 }
      case 'DELETE': {
        const outcome = await change({ kind: 'delete', section, name })
        return { status: outcome === 'unchanged' ? 404 : 204 }
      }
      default:
        return undefined
    }
  }
}

/**
 * Whoever may change routes may not read the environment: what is written is interpolated when it is read, and could be
 * asked for again, or sent to a service. JSON has one line, so this finds whatever the printed text could hold.
 */
function placeholderIn(edit: Edit): string | undefined {
  if (edit.kind === 'delete' || edit.kind === 'remove') return undefined
  const text = JSON.stringify([edit.name, edit.kind === 'set' ? edit.value : undefined])
  return /\$\{\w+(?::-.*?)?\}/.exec(text)?.[0]
}
