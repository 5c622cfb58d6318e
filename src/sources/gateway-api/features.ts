/** Features of the Gateway API that are true of us, by version and channel of the installed definitions. Pure data. */

const always = [
  'Gateway',
  'GatewayAddressEmpty',
  'GatewayBackendClientCertificate',
  'GatewayFrontendClientCertificateValidation',
  'GatewayFrontendClientCertificateValidationInsecureFallback',
  'GatewayHTTPListenerIsolation',
  'GatewayHTTPSListenerDetectMisdirectedRequests',
  'GatewayPort8080',
  'GatewayStaticAddresses',
  'ListenerSet',
  'ReferenceGrant',
  'BackendTLSPolicy',
  'BackendTLSPolicySANValidation',
  'GRPCRoute',
  'GRPCRouteNamedRouteRule',
  'HTTPRoute',
  'HTTPRoute303RedirectStatusCode',
  'HTTPRoute307RedirectStatusCode',
  'HTTPRoute308RedirectStatusCode',
  'HTTPRouteBackendProtocolH2C',
  'HTTPRouteBackendProtocolWebSocket',
  'HTTPRouteBackendRequestHeaderModification',
  'HTTPRouteBackendTimeout',
  'HTTPRouteCORS',
  'HTTPRouteDestinationPortMatching',
  'HTTPRouteHostRewrite',
  'HTTPRouteMethodMatching',
  'HTTPRouteNamedRouteRule',
  'HTTPRouteParentRefPort',
  'HTTPRoutePathRedirect',
  'HTTPRoutePathRewrite',
  'HTTPRoutePortRedirect',
  'HTTPRouteQueryParamMatching',
  'HTTPRouteRequestMirror',
  'HTTPRouteRequestMultipleMirrors',
  'HTTPRouteRequestPercentageMirror',
  'HTTPRouteRequestTimeout',
  'HTTPRouteResponseHeaderModification',
  'HTTPRouteSchemeRedirect',
  'TCPRoute',
  'TLSRoute',
  'TLSRouteModeMixed',
  'TLSRouteModeTerminate',
  'UDPRoute',
] as const

const since17 = [
  'GRPCRouteRequestHeaderModifier',
  'GatewayInfrastructure',
  'GatewayRouteHostnameIntersectionPrecedence',
  'HTTPRouteBackendURLRewrite',
  'HTTPRouteRetryCodes',
  'HTTPRouteRetryConnectionError',
] as const

/** Need fields of the experimental definitions. */
const experimental17 = [
  'ClusterTrustBundle',
  'GatewayAddressRoutability',
  'GatewayAddressRoutabilityCluster',
  'GatewayListenerFilters',
] as const

const until16 = ['HTTPRouteRetry', 'HTTPRouteRetryBackendTimeout', 'HTTPRouteRetryConnectionError'] as const

/** Sorted. `trustBundles`: the API server has certificates.k8s.io/v1 ClusterTrustBundles. */
export function supportedFeatures(
  bundleVersion: string,
  channel: 'standard' | 'experimental',
  options: { readonly trustBundles: boolean },
): readonly string[] {
  const version = parseVersion(bundleVersion)
  const names: string[] = [...always]
  if (version !== undefined && (version.minor < 7 || version.major < 1)) {
    names.push(version.minor === 6 && version.patch >= 3 ? 'GatewayInfrastructure' : 'GatewayInfrastructurePropagation')
    // there the field `retry` stands in the experimental definitions only
    if (channel === 'experimental') names.push(...until16)
  } else {
    names.push(...since17)
    if (channel === 'experimental')
      names.push(...experimental17.filter((each) => each !== 'ClusterTrustBundle' || options.trustBundles))
  }
  return names.sort()
}

/** Definitions we know how to serve: v1.5 and later ones of v1. */
export function isSupportedVersion(bundleVersion: string): boolean {
  const version = parseVersion(bundleVersion)
  return version !== undefined && version.major === 1 && version.minor >= 5
}

function parseVersion(
  text: string,
): { readonly major: number; readonly minor: number; readonly patch: number } | undefined {
  const found = /^v(\d+)\.(\d+)\.(\d+)/.exec(text)
  return found === null ? undefined : { major: Number(found[1]), minor: Number(found[2]), patch: Number(found[3]) }
}
