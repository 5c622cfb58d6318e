/** `gantry translate FOLDER --to FORM` → the text on stdout, diagnostics on stderr; exit code 1 where something was lost. */
import { loadOnce, UsageError } from '../load.ts'
import type { Parts } from '../parts.ts'
import { drawFor, exitCodeOf, writeError, writeOut } from '../print.ts'

export async function translate(
  parts: Parts,
  folder: string,
  options: { readonly from?: string; readonly to: string; readonly output: 'text' | 'json' },
): Promise<number> {
  const writer = parts.writers.find((candidate) => candidate.name === options.to)
  if (writer === undefined) throw new UsageError(`there is no form ${options.to}`)
  const loaded = await loadOnce(parts, folder, options.from)
  const written = await writer.write(loaded.plan)
  const diagnostics = [...loaded.diagnostics, ...written.diagnostics]
  if (options.output === 'json')
    writeOut(JSON.stringify({ to: options.to, text: written.text, diagnostics }, undefined, 2))
  else {
    if (diagnostics.length > 0) writeError(drawFor(diagnostics, folder, process.stderr))
    writeOut(written.text)
  }
  return exitCodeOf(diagnostics, loaded.refused)
}
