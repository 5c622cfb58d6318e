/** `gantry check FOLDER` → diagnostics, a summary of what would be served, statuses; exit code 1 where something is wrong. */
import { resolve } from 'node:path'
import { foldRepeated, type Diagnostic } from '../../model/diagnostic.ts'
import { loadOnce, type Loaded } from '../load.ts'
import type { Parts } from '../parts.ts'
import { drawFor, exitCodeOf, counted, summarise, writeError, writeOut } from '../print.ts'

export async function check(
  parts: Parts,
  folder: string,
  options: {
    readonly output: 'text' | 'json'
    readonly from?: string
    readonly strict?: boolean
    readonly plugins: boolean
  },
): Promise<number> {
  const loaded = await loadOnce(parts, folder, options.from)
  const { model } = loaded.plan
  const diagnostics = foldRepeated([
    ...loaded.diagnostics,
    ...(await furtherDiagnostics(parts, folder, loaded, options)),
  ])
  const warned = options.strict === true && diagnostics.some((diagnostic) => diagnostic.severity === 'warning')
  const code = warned ? 1 : exitCodeOf(diagnostics, loaded.refused)
  const counts = {
    listeners: model.listeners.length,
    routes: model.routes.length,
    streams: model.streams.length,
    backends: model.backends.length,
  }
  const statuses = loaded.translations.flatMap((translation) => translation.statuses)
  if (options.output === 'json') {
    const sources = loaded.sources.map((part) => part.source.name)
    writeOut(
      JSON.stringify({ ok: code === 0, sources, plan: loaded.plan.id, counts, diagnostics, statuses }, undefined, 2),
    )
    return code
  }
  if (diagnostics.length > 0) writeError(drawFor(diagnostics, folder, process.stderr))
  for (const [index, part] of loaded.sources.entries()) {
    const rendered = part.renderStatuses?.(loaded.translations[index]?.statuses ?? [])
    if (rendered !== undefined && rendered !== '') writeOut(rendered)
  }
  const names = loaded.sources.map((part) => part.source.name).join(' + ')
  const served = loaded.refused
    ? 'refused: this would not be served'
    : [
        counted(counts.listeners, 'listener'),
        counted(counts.routes + counts.streams, 'route'),
        counted(counts.backends, 'backend'),
      ].join(', ')
  writeOut(`${names}: ${served}; ${summarise(diagnostics)}`)
  return code
}

/** What is known only to those who would serve it; nothing where it would not be served at all. */
async function furtherDiagnostics(
  parts: Parts,
  folder: string,
  loaded: Loaded,
  options: { readonly plugins: boolean },
): Promise<readonly Diagnostic[]> {
  if (loaded.refused) return []
  const wishes = loaded.translations.flatMap((translation) => translation.wishes ?? [])
  const plugins = wishes.flatMap((wish) => wish.plugins ?? [])
  if (options.plugins || plugins.length === 0) return parts.check(loaded.plan, wishes, resolve(folder))
  return [
    {
      code: 'check/plugins',
      severity: 'info',
      message: `plugins were not loaded (${plugins.map(({ name }) => name).join(', ')}): their settings, the policies and conditions that they bring, and everything that is compiled with them were not checked`,
      hint: 'leave out --no-plugins: their code is run then, as at start, but nothing is opened',
      origin: { source: 'gantry', object: 'plugins' },
    },
  ]
}
