/** `plugin`: a policy that somebody else's Express Gateway plugin brings. What it does, the plugin says. */
import { z } from 'zod'
import { type Policy, unsupported } from '../policy.ts'

const config = z.strictObject({
  /** As the plugin registers it. */
  name: z.string().min(1),
  /** The policy's own parameters; the plugin's schema checks them and adds its defaults. */
  config: z.record(z.string(), z.unknown()).default({}),
  /** A policy that may have been meant, for who reads that no plugin brings this one. */
  guess: z.string().optional(),
})
export type Config = z.infer<typeof config>

export const plugin: Policy<Config> = {
  name: 'plugin',
  summary: 'runs a policy of a plugin of Express Gateway',
  config,
  engine: ({ name, config: parameters, guess }, { services }) => {
    const found = services.plugins.policy(name)
    if (found === undefined) {
      const meant = guess === undefined ? '' : ` (did you mean ${guess}?)`
      throw new Error(
        `no plugin brings the policy ${name}${meant}; name the plugin under "plugins" in system.config, and see that it loads`,
      )
    }
    return found.compile(parameters)
  },
  nginx: ({ name }) => unsupported(`the policy ${name} is JavaScript of a plugin`),
}
