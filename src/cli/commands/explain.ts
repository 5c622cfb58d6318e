/**
 * `gantry explain METHOD URL` → listener, route, policies with origins, backends, and why the others do not match.
 * `--target nginx`: who serves that route, or without a request every route, and why not nginx alone.
 */
import { explain } from '../../pipeline/explain.ts'
import { renderExplanation } from '../../pipeline/explain-text.ts'
import { loadOnce, UsageError } from '../load.ts'
import type { Parts, ServedRoute } from '../parts.ts'
import { drawFor, writeError, writeOut } from '../print.ts'

export async function explainCommand(
  parts: Parts,
  first: string | undefined,
  second: string | undefined,
  options: {
    readonly header: readonly string[]
    readonly folder: string
    readonly from?: string
    readonly target?: string
    readonly output: 'text' | 'json'
  },
): Promise<number> {
  // a URL alone is asked for with GET
  const [method, url] = second === undefined && first?.includes('://') === true ? ['GET', first] : [first, second]
  if (method === undefined && options.target === undefined)
    throw new UsageError('which request?', 'gantry explain GET http://host/path, or --target nginx for all routes')
  if (method !== undefined && (url === undefined || !URL.canParse(url)))
    throw new UsageError(`${url ?? 'nothing'} is not a URL`, 'for example http://localhost:8080/path?query')
  const headers = options.header.map((line): readonly [string, string] => {
    const colon = line.indexOf(':')
    if (colon < 1) throw new UsageError(`-H "${line}" is not a header`, '-H "name: value"')
    return [line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim()]
  })
  const loaded = await loadOnce(parts, options.folder, options.from)
  const errors = loaded.diagnostics.filter((diagnostic) => diagnostic.severity === 'error')
  if (errors.length > 0) writeError(drawFor(errors, options.folder, process.stderr))
  const writer = parts.writers.find(({ name }) => name === options.target)
  const served = await writer?.served?.(loaded.plan)
  if (method === undefined || url === undefined) {
    const routes = served ?? []
    writeOut(options.output === 'json' ? JSON.stringify(routes, undefined, 2) : renderServed(routes))
    return 0
  }
  const explanation = explain(loaded.plan, { method: method.toUpperCase(), url, headers })
  const own = served?.find(({ route }) => route === explanation.route?.id)
  writeOut(
    options.output === 'json'
      ? JSON.stringify(own === undefined ? explanation : { ...explanation, served: own }, undefined, 2)
      : renderExplanation(explanation) + (own === undefined ? '' : `  ${'served'.padEnd(9)} ${sentenceOf(own)}\n`),
  )
  return explanation.route === undefined ? 1 : 0
}

function renderServed(routes: readonly ServedRoute[]): string {
  return routes.map((one) => `${one.route}: ${sentenceOf(one)}\n`).join('')
}

function sentenceOf({ by, why = '' }: ServedRoute): string {
  switch (by) {
    case 'nginx':
      return 'by nginx'
    case 'engine':
      return `by the engine behind nginx: ${why}`
    case 'both':
      return `by nginx, and in part by the engine behind it: ${why}`
  }
}
