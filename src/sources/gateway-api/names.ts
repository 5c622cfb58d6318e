/** Names and labels of what is created for a Gateway. Pure. A Gateway's name may have 253 characters, a Service's 63. */
import { createHash } from 'node:crypto'
import type { Metadata } from './resources.ts'

export const gatewayNameLabel = 'gateway.networking.k8s.io/gateway-name'
export const managedByLabel = 'app.kubernetes.io/managed-by'
/** The whole name, where a label cannot hold it. */
export const gatewayAnnotation = 'gantry.dev/gateway'

/** Of the Deployment, the Service and the ServiceAccount. */
export function infrastructureName(gateway: Metadata): string {
  return shorten(`gantry-${gateway.name}`)
}

/** Of the Service that asks for one address of `spec.addresses`. */
export function addressServiceName(gateway: Metadata, address: string): string {
  return shorten(`gantry-${gateway.name}-${digest(address)}`)
}

/** A value that a label may have. */
export function labelValue(name: string): string {
  return name.length <= 63 ? name : shorten(name)
}

function shorten(name: string): string {
  // dots are allowed in names of Gateways, not in those of Services
  const plain = name.replaceAll('.', '-')
  return plain.length <= 63 && plain === name ? plain : `${plain.slice(0, 52).replace(/-+$/, '')}-${digest(name)}`
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 8)
}
