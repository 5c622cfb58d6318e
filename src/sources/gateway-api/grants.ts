/** May an object of one namespace name an object of another? (ReferenceGrant.) Pure. */
import type { View } from './view.ts'

export interface From {
  readonly group: string
  readonly kind: string
  readonly namespace: string
}

export interface To extends From {
  readonly name: string
}

/**
 * Judged before the object is looked for: whether something exists in a namespace that grants nothing is nobody's
 * business.
 */
export function permitted(view: View, from: From, to: To): boolean {
  if (from.namespace === to.namespace) return true
  return view
    .grantsIn(to.namespace)
    .some(
      ({ spec }) =>
        spec.from.some(
          (each) => each.group === from.group && each.kind === from.kind && each.namespace === from.namespace,
        ) &&
        spec.to.some(
          (each) =>
            each.group === to.group &&
            each.kind === to.kind &&
            (each.name === undefined || each.name === '' || each.name === to.name),
        ),
    )
}
