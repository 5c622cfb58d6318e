/** A path that somebody typed → why it is no folder. Effect: looks. */
import { stat } from 'node:fs/promises'

export interface NoFolder {
  readonly is: 'missing' | 'something else'
  readonly message: string
}

/** Undefined: it is one. */
export async function whyNoFolder(path: string): Promise<NoFolder | undefined> {
  // whatever is in the way: for whoever typed it, it is not there
  const found = await stat(path).catch(() => undefined)
  if (found === undefined) return { is: 'missing', message: `there is no folder ${path}` }
  return found.isDirectory() ? undefined : { is: 'something else', message: `${path} is not a folder` }
}
