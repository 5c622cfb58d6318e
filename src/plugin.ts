/** For authors of plugins: the contract as types. `import type { GatewayPlugin } from 'gantry/plugin'`. */
export type {
  ActionParams,
  EgContext,
  ExpressApp,
  ExpressRequest,
  ExpressResponse,
  Middleware,
  PluginCondition,
  PluginConfig,
  PluginContext,
  PluginLogger,
  PluginManifest as GatewayPlugin,
  PluginPolicy,
} from './plugins/types.ts'
