/** `plugin-routes`: what plugins mount in front of every route. For listeners. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z.strictObject({})
export type Config = z.infer<typeof config>

export const pluginRoutes: Policy<Config> = {
  name: 'plugin-routes',
  summary: 'routes and middleware that plugins put in front of everything',
  config,
  // none of the plugins has any: a step that does nothing
  engine: (_config, { services }) => services.plugins.gatewayRoutes ?? {},
  nginx: (_config, { services }) =>
    services.plugins.gatewayRoutes === undefined ? {} : unsupported('the routes are JavaScript of a plugin'),
}
