/** A folder and another text for its gateway configuration → what would be wrong with it. Reads, writes nothing. */
import { readWorld } from './read.ts'
import { referencedFiles } from './references.ts'
import { translate } from './translate.ts'
import type { World } from './world.ts'

/** One line for each error, without the name of the file: whoever asks knows which. */
export async function whatIsWrong(
  folder: string,
  environment: World['environment'],
  text: string,
): Promise<readonly string[]> {
  const world = await readWorld(folder, environment)
  const name = world.gateway.name
  const candidate: World = { ...world, gateway: { kind: 'text', name, text } }
  // files that only the new text names cannot have been read; whether they are there shows when it is served
  const unread = referencedFiles(candidate).filter((file) => !Object.hasOwn(world.files, file))
  const errors = translate(candidate).diagnostics.filter(({ severity }) => severity === 'error')
  const wrong = errors.filter(({ message }) => !unread.some((file) => message.startsWith(`${file} cannot be read`)))
  return wrong.map(({ message }) => (message.startsWith(`${name} `) ? message.slice(name.length + 1) : message))
}
