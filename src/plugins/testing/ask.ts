/**
 * A folder, a plugin's name, its settings as JSON and a path → what the plugin's routes answer, as JSON on standard output.
 * A process of its own, for plugins that stop the event loop of the process that they are in.
 */
import { hostOf } from './plugins.ts'
import { serve } from './serve.ts'

const [folder = '', name = '', settings = '{}', path = '/'] = process.argv.slice(2)
const plugins = await hostOf({}, { folder })
const diagnostics = await plugins.reload([
  { name, settings: JSON.parse(settings) as Record<string, unknown>, from: folder },
])
const routes = plugins.host.gatewayRoutes
const served = await serve({ steps: () => (routes === undefined ? [] : [routes]) })
const answer = await fetch(served.url + path)
const other = await fetch(`${served.url}/other`)
const result = {
  diagnostics,
  status: answer.status,
  body: await answer.text(),
  other: other.status,
  seen: served.seen.length,
}
process.stdout.write(`${JSON.stringify(result)}\n`)
await served.close()
plugins.close()
