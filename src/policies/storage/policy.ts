/** `storage`: requests under a path → objects of S3-compatible stores. */
import { type Policy, unsupported } from '../policy.ts'
import { type Config, config } from './config.ts'
import { createStorage } from './storage.ts'

export { config } from './config.ts'
export type { Config } from './config.ts'

export const storage: Policy<Config> = {
  name: 'storage',
  summary: 'serves objects of S3-compatible stores',
  config,
  engine: (settings, { services }) => {
    const objects = createStorage(settings, (message, facts) =>
      services.events.emit('warn', 'storage/failed', message, facts),
    )
    return {
      request: (exchange) =>
        objects.serve({
          method: exchange.request.method,
          path: exchange.request.path,
          query: exchange.request.query,
          header: (name) => exchange.request.headers.get(name),
          signal: exchange.signal,
        }),
    }
  },
  nginx: () => unsupported('nginx cannot sign requests to an S3 store'),
}
