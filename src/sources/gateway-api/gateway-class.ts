/** GatewayClass → its status: accepted, and what we can do. Pure. */
import { isSupportedVersion, supportedFeatures } from './features.ts'
import { bundleVersion as ours } from './schemas.generated.ts'
import type { GatewayClass, World } from './resources.ts'
import type { Condition, Fault, ObjectStatus } from './status.ts'
import { fails, holds } from './status.ts'
import type { View } from './view.ts'

export function gatewayClassStatus(gatewayClass: GatewayClass, view: View): ObjectStatus {
  const { metadata } = gatewayClass
  const place = view.place()
  const installed = installedDefinitions(place)
  const supported = isSupportedVersion(installed.version)
  const fault = parametersFault(gatewayClass, view)
  const conditions: Condition[] = []
  if (!supported) {
    const message = `Gateway API ${installed.version} is not supported; v1.5 and later versions of v1 are`
    conditions.push(
      fails(metadata, 'Accepted', 'UnsupportedVersion', message),
      fails(metadata, 'SupportedVersion', 'UnsupportedVersion', message),
    )
  } else {
    conditions.push(
      fault === undefined
        ? holds(metadata, 'Accepted', 'Accepted', 'Gateways of this class are served')
        : fails(metadata, 'Accepted', fault.reason, fault.message),
      holds(metadata, 'SupportedVersion', 'SupportedVersion', `Gateway API ${installed.version} is supported`),
    )
  }
  const names = supported
    ? supportedFeatures(installed.version, installed.channel, { trustBundles: installed.trustBundles })
    : []
  return { kind: 'GatewayClass', metadata, status: { conditions, supportedFeatures: names.map((name) => ({ name })) } }
}

function installedDefinitions(place: World['place']): {
  readonly version: string
  readonly channel: 'standard' | 'experimental'
  readonly trustBundles: boolean
} {
  // files are judged by the definitions that this program carries
  if (place.kind === 'files') return { version: ours, channel: 'experimental', trustBundles: true }
  return {
    version: place.bundleVersion ?? ours,
    channel: place.channel ?? 'standard',
    trustBundles: place.trustBundles === true,
  }
}

function parametersFault({ spec }: GatewayClass, view: View): Fault | undefined {
  const reference = spec.parametersRef
  if (reference === undefined) return undefined
  const name = `${reference.kind} ${reference.namespace ?? ''}/${reference.name}`
  if (reference.group !== '' || reference.kind !== 'ConfigMap' || reference.namespace === undefined) {
    return { reason: 'InvalidParameters', message: `parametersRef: ${name} is not a ConfigMap of a namespace` }
  }
  if (view.object('ConfigMap', `${reference.namespace}/${reference.name}`) !== undefined) return undefined
  return { reason: 'InvalidParameters', message: `parametersRef: there is no ${name}` }
}
