/** Who is elected, and whether the data planes have come over → who writes statuses. */
import type { Leadership } from './source.ts'

/**
 * Who begins to lead must not say what the data planes of the one before do not serve yet: they come over to us, and only
 * then statuses are written. `served` resolves when they have come.
 */
export function createLeadership(
  leads: () => boolean,
  served: () => Promise<void>,
): Leadership & { begin(): Promise<void> } {
  const listeners: ((leads: boolean) => void)[] = []
  let ready = false
  let latest = 0
  return {
    leads: () => leads() && ready,
    onChange: (listener) => void listeners.push(listener),
    begin: async () => {
      const mine = ++latest
      ready = false
      await served()
      // leadership was lost and won again meanwhile: what that waits for is what counts
      if (mine !== latest) return
      ready = true
      for (const listener of listeners) listener(leads())
    },
  }
}
