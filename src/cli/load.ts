/** A folder → its sources, read once → translations and a plan. For the commands that do not stay. */
import { foldRepeated, type Diagnostic } from '../model/diagnostic.ts'
import type { Plan } from '../pipeline/plan.ts'
import { prepare } from '../pipeline/run.ts'
import type { Translation } from '../sources/source.ts'
import { whyNoFolder } from './folder.ts'
import type { Parts, SourcePart } from './parts.ts'

/** What the user typed cannot be done: printed in one line, exit code 2. */
export class UsageError extends Error {
  readonly hint: string | undefined
  constructor(message: string, hint?: string) {
    super(message)
    this.name = 'UsageError'
    this.hint = hint
  }
}

/** The sources that this folder is for: the named one, or all that recognise something. */
export async function recogniseFolder(
  parts: Parts,
  folder: string,
  from: string | undefined,
): Promise<readonly SourcePart[]> {
  const names = parts.sources.map((part) => part.source.name)
  const why = await whyNoFolder(folder)
  if (why !== undefined)
    throw new UsageError(
      why.message,
      why.is === 'missing'
        ? 'gantry init FOLDER writes a first one that runs'
        : 'give the folder that holds the configuration',
    )
  if (from !== undefined) {
    const named = parts.sources.find((part) => part.source.name === from)
    if (named === undefined) throw new UsageError(`there is no source ${from}`, `one of ${names.join(', ')}`)
    return [named]
  }
  const recognised: SourcePart[] = []
  for (const part of parts.sources) if (await part.recognise(folder)) recognised.push(part)
  if (recognised.length === 0) {
    const known = parts.sources.map((part) => `${part.source.name} (${part.summary})`).join('; ')
    throw new UsageError(`nothing in ${folder} is a configuration that Gantry knows`, `known are: ${known}`)
  }
  return recognised
}

export interface Loaded {
  readonly sources: readonly SourcePart[]
  readonly translations: readonly Translation<unknown>[]
  readonly plan: Plan
  readonly diagnostics: readonly Diagnostic[]
  readonly refused: boolean
}

/** Reads each source once, translates, merges and checks. */
export async function loadOnce(parts: Parts, folder: string, from: string | undefined): Promise<Loaded> {
  const sources = await recogniseFolder(parts, folder, from)
  const translations: Translation<unknown>[] = []
  for (const part of sources) {
    const abort = new AbortController()
    for await (const world of part.source.read(
      { kind: 'folder', path: folder, environment: process.env },
      abort.signal,
    )) {
      translations.push(part.source.translate(world))
      break
    }
    abort.abort()
  }
  const prepared = prepare(translations)
  return {
    sources,
    translations,
    plan: prepared.plan,
    diagnostics: foldRepeated([
      ...translations.flatMap((translation) => translation.diagnostics),
      ...prepared.diagnostics,
    ]),
    refused: translations.some((translation) => translation.refused === true),
  }
}
