/** Plans of the engine behind nginx, of now and of before → one with the sockets of both, for nginx still reads the text of before. Pure. */
import type { Plan } from '../../pipeline/plan.ts'

/** `next` itself where it has all of them. What is in both is as `next` says. */
export function withSocketsOf(before: Plan, next: Plan): Plan {
  const addresses = new Set(next.model.listeners.map(({ address }) => address))
  const gone = before.model.listeners.filter(({ address }) => !addresses.has(address))
  if (gone.length === 0) return next
  const ids = new Set(gone.map(({ id }) => id))
  const routes = before.model.routes
    .map((route) => ({ ...route, listeners: route.listeners.filter((id) => ids.has(id)) }))
    .filter(({ listeners }) => listeners.length > 0)
  const renamed = (id: string): string => `${id} of before`
  const { model } = next
  return {
    id: `${next.id}-after-${before.id}`,
    model: {
      ...model,
      listeners: [...model.listeners, ...gone.map((one) => ({ ...one, id: renamed(one.id) }))],
      routes: [
        ...model.routes,
        ...routes.map((one) => ({ ...one, id: renamed(one.id), listeners: one.listeners.map(renamed) })),
      ],
      backends: joined(model.backends, before.model.backends, ({ id }) => id),
      endpoints: joined(model.endpoints, before.model.endpoints, ({ backend }) => backend),
      certificates: joined(model.certificates, before.model.certificates, ({ id }) => id),
    },
  }
}

function joined<Part>(next: readonly Part[], before: readonly Part[], nameOf: (part: Part) => string): readonly Part[] {
  const known = new Set(next.map(nameOf))
  return [...next, ...before.filter((one) => !known.has(nameOf(one)))]
}
