/** Label selector + labels → does it select them? (metav1.LabelSelector.) Pure; an operator that is unknown selects nothing. */
import type { Selector } from './types.generated.ts'

export function selects(selector: Selector | undefined, labels: Readonly<Record<string, string>>): boolean {
  // absent selects nothing, empty selects all
  if (selector === undefined) return false
  for (const [name, value] of Object.entries(selector.matchLabels ?? {})) if (labels[name] !== value) return false
  return (selector.matchExpressions ?? []).every(({ key, operator, values = [] }) => {
    const value = labels[key]
    switch (operator) {
      case 'In':
        return value !== undefined && values.includes(value)
      case 'NotIn':
        return value === undefined || !values.includes(value)
      case 'Exists':
        return value !== undefined
      case 'DoesNotExist':
        return value === undefined
      default:
        return false
    }
  })
}
