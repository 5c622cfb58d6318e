/** Statuses → text for people: what a cluster would show. Pure. */
import type { Condition, ListenerStatus, ObjectStatus } from './status.ts'

export function printStatuses(statuses: readonly ObjectStatus[]): string {
  return statuses.map((each) => printStatus(each)).join('\n')
}

function printStatus(object: ObjectStatus): string {
  const { namespace, name } = object.metadata
  const lines = [`${object.kind} ${namespace === '' ? '' : `${namespace}/`}${name}`]
  switch (object.kind) {
    case 'GatewayClass':
      lines.push(...conditions(object.status.conditions, '  '))
      lines.push(`  ${object.status.supportedFeatures.length} features`)
      break
    case 'Gateway':
      for (const { type, value, routability } of object.status.addresses) {
        lines.push(
          `  address ${type} ${value}${routability === undefined ? '' : ` routability ${JSON.stringify(routability)}`}`,
        )
      }
      lines.push(...conditions(object.status.conditions, '  '))
      if (object.status.attachedListenerSets > 0) lines.push(`  ${object.status.attachedListenerSets} ListenerSets`)
      lines.push(...object.status.listeners.flatMap(listener))
      break
    case 'ListenerSet':
      lines.push(...conditions(object.status.conditions, '  '))
      lines.push(...object.status.listeners.flatMap(listener))
      break
    case 'BackendTLSPolicy':
      for (const { ancestorRef, conditions: list } of object.status.ancestors) {
        lines.push(
          `  for ${ancestorRef.kind} ${ancestorRef.namespace}/${ancestorRef.name}`,
          ...conditions(list, '    '),
        )
      }
      break
    case 'HTTPRoute':
    case 'GRPCRoute':
    case 'TLSRoute':
    case 'TCPRoute':
    case 'UDPRoute':
      for (const { parentRef, conditions: list } of object.status.parents) {
        const section = parentRef.sectionName === undefined ? '' : ` listener ${parentRef.sectionName}`
        const port = parentRef.port === undefined ? '' : ` port ${parentRef.port}`
        lines.push(
          `  on ${parentRef.kind} ${parentRef.namespace}/${parentRef.name}${section}${port}`,
          ...conditions(list, '    '),
        )
      }
  }
  return `${lines.join('\n')}\n`
}

function listener({ name, supportedKinds, attachedRoutes, conditions: list }: ListenerStatus): readonly string[] {
  const kinds = supportedKinds.map((each) => each.kind).join(', ')
  return [
    `  listener ${name}: ${attachedRoutes} ${attachedRoutes === 1 ? 'route' : 'routes'}${kinds === '' ? ', no kinds' : ` of ${kinds}`}`,
    ...conditions(list, '    '),
  ]
}

/** What is good in one word, what is not with its reason. */
function conditions(list: readonly Condition[], indent: string): readonly string[] {
  return list.map(({ type, status, reason, message }) => {
    const usual = (status === 'True' && reason === type) || (status === 'False' && reason === 'NoConflicts')
    return `${indent}${type}=${status}${usual ? '' : ` ${reason}: ${message}`}`
  })
}
