/** The Express Gateway source: gateway.config, system.config and models of a folder → the model. */
import type { Source } from '../source.ts'
import { sourceName } from './document.ts'
import { read, recognise } from './read.ts'
import { translate } from './translate.ts'
import type { World } from './world.ts'

export const expressGateway: Source<World> & { recognise(folder: string): Promise<boolean> } = {
  name: sourceName,
  read,
  translate,
  recognise,
}
