/** `gantry check FOLDER` → diagnostics, a summary of what would be served, statuses; exit code 1 where something is wrong. */
import { loadOnce } from '../load.ts'
import type { Parts } from '../parts.ts'
import { drawFor, exitCodeOf, summarise, writeError, writeOut } from '../print.ts'

export async function check(
  parts: Parts,
  folder: string,
  options: { readonly output: 'text' | 'json'; readonly from?: string; readonly strict?: boolean },
): Promise<number> {
  const loaded = await loadOnce(parts, folder, options.from)
  const { model } = loaded.plan
  const warned = options.strict === true && loaded.diagnostics.some((diagnostic) => diagnostic.severity === 'warning')
  const code = warned ? 1 : exitCodeOf(loaded.diagnostics, loaded.refused)
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
      JSON.stringify(
        { ok: code === 0, sources, plan: loaded.plan.id, counts, diagnostics: loaded.diagnostics, statuses },
        undefined,
        2,
      ),
    )
    return code
  }
  if (loaded.diagnostics.length > 0) writeError(drawFor(loaded.diagnostics, folder, process.stderr))
  for (const [index, part] of loaded.sources.entries()) {
    const rendered = part.renderStatuses?.(loaded.translations[index]?.statuses ?? [])
    if (rendered !== undefined && rendered !== '') writeOut(rendered)
  }
  const names = loaded.sources.map((part) => part.source.name).join(' + ')
  const served = loaded.refused
    ? 'refused: this would not be served'
    : `${counts.listeners} listeners, ${counts.routes + counts.streams} routes, ${counts.backends} backends`
  writeOut(`${names}: ${served}; ${summarise(loaded.diagnostics)}`)
  return code
}
