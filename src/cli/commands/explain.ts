/** `gantry explain METHOD URL` → listener, route, policies with origins, backends, and why the others do not match. */
import { explain } from '../../pipeline/explain.ts'
import { renderExplanation } from '../../pipeline/explain-text.ts'
import { loadOnce, UsageError } from '../load.ts'
import type { Parts } from '../parts.ts'
import { drawFor, writeError, writeOut } from '../print.ts'

export async function explainCommand(
  parts: Parts,
  method: string,
  url: string,
  options: {
    readonly header: readonly string[]
    readonly folder: string
    readonly from?: string
    readonly output: 'text' | 'json'
  },
): Promise<number> {
  if (!URL.canParse(url)) throw new UsageError(`${url} is not a URL`, 'for example http://localhost:8080/path?query')
  const headers = options.header.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    if (colon < 1) throw new UsageError(`-H "${line}" is not a header`, '-H "name: value"')
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  })
  const loaded = await loadOnce(parts, options.folder, options.from)
  const explanation = explain(loaded.plan, { method: method.toUpperCase(), url, headers })
  const errors = loaded.diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  if (errors.length > 0) writeError(drawFor(errors, options.folder, process.stderr))
  writeOut(options.output === 'json' ? JSON.stringify(explanation, undefined, 2) : renderExplanation(explanation))
  return explanation.route === undefined ? 1 : 0
}
