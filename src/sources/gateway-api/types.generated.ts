/** The spec of each kind after defaults have been applied. Generated from Gateway API v1.7.0 by scripts/generate-gateway-api.ts; do not edit. */

export interface BackendTLSPolicySpec {
  readonly options?: Readonly<Record<string, string>>
  readonly targetRefs: readonly {
    readonly group: string
    readonly kind: string
    readonly name: string
    readonly sectionName?: string
  }[]
  readonly validation: Validation
}

export interface GRPCRouteSpec {
  readonly hostnames?: readonly string[]
  readonly parentRefs?: readonly ParentRef[]
  readonly rules?: readonly {
    readonly backendRefs?: readonly BackendRef[]
    readonly filters?: readonly Filter[]
    readonly matches?: readonly Match[]
    readonly name?: string
    readonly sessionPersistence?: SessionPersistence
  }[]
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface GatewaySpec {
  readonly addresses?: readonly { readonly routability?: string; readonly type: string; readonly value?: string }[]
  readonly allowedListeners?: { readonly namespaces: Namespaces }
  readonly defaultScope?: 'All' | 'None'
  readonly gatewayClassName: string
  readonly infrastructure?: {
    readonly annotations?: Readonly<Record<string, string>>
    readonly labels?: Readonly<Record<string, string>>
    readonly parametersRef?: CaCertificateRef
  }
  readonly listeners: readonly Listener[]
  readonly tls?: { readonly backend?: Backend; readonly frontend?: Frontend }
}

export interface GatewayClassSpec {
  readonly controllerName: string
  readonly description?: string
  readonly parametersRef?: ValidationCaCertificateRef
}

export interface HTTPRouteSpec {
  readonly hostnames?: readonly string[]
  readonly parentRefs?: readonly ParentRef[]
  readonly rules: readonly {
    readonly backendRefs?: readonly RuleBackendRef[]
    readonly filters?: readonly BackendRefFilter[]
    readonly matches: readonly RuleMatch[]
    readonly name?: string
    readonly retry?: Retry
    readonly sessionPersistence?: SessionPersistence
    readonly timeouts?: Timeouts
  }[]
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface ListenerSetSpec {
  readonly listeners: readonly Listener[]
  readonly parentRef: {
    readonly group: string
    readonly kind: string
    readonly name: string
    readonly namespace?: string
  }
}

export interface ReferenceGrantSpec {
  readonly from: readonly { readonly group: string; readonly kind: string; readonly namespace: string }[]
  readonly to: readonly { readonly group: string; readonly kind: string; readonly name?: string }[]
}

export interface TCPRouteSpec {
  readonly parentRefs?: readonly ParentRef[]
  readonly rules: readonly Rule[]
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface TLSRouteSpec {
  readonly hostnames: readonly string[]
  readonly parentRefs?: readonly ParentRef[]
  readonly rules: readonly Rule[]
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface UDPRouteSpec {
  readonly parentRefs?: readonly ParentRef[]
  readonly rules: readonly Rule[]
  readonly useDefaultGateways?: 'All' | 'None'
}

export interface XBackendSpec {
  readonly endpointSelector?: { readonly matchLabels: Readonly<Record<string, string>> }
  readonly externalHostname?: { readonly hostname: string }
  readonly port: { readonly number?: number }
  readonly protocol?: 'TCP' | 'HTTP' | 'HTTP2' | 'HTTP11' | 'H2C' | 'MCP' | 'GRPC' | 'WSS'
  readonly sessionPersistence?: SessionPersistence
  readonly tls: {
    readonly clientCertificateRef?: CertificateRef
    readonly mode: 'None' | 'ServerOnly' | 'ClientAndServer'
    readonly validation?: Validation
  }
  readonly type: 'ExternalHostname' | 'EndpointSelector'
}

export interface XBackendTrafficPolicySpec {
  readonly retryConstraint?: { readonly budget: Budget; readonly minRetryRate: MinRetryRate }
  readonly sessionPersistence?: SessionPersistence
  readonly targetRefs: readonly CaCertificateRef[]
}

export interface XMeshSpec {
  readonly controllerName: string
  readonly description?: string
  readonly parametersRef?: ValidationCaCertificateRef
}

export interface XTelemetryPolicySpec {
  readonly targetRefs: readonly CaCertificateRef[]
  readonly tracing?: {
    readonly attributes?: readonly Attribute[]
    readonly mode: 'Enabled' | 'Disabled' | 'ImplementationDefault'
    readonly parentBasedSampling?: ParentBasedSampling
    readonly provider?: Provider
    readonly samplingRate?: Fraction
    readonly serviceName?: string
    readonly spanName?: string
  }
}

export interface CaCertificateRef {
  readonly group: string
  readonly kind: string
  readonly name: string
}

export interface SubjectAltName {
  readonly hostname?: string
  readonly type: 'Hostname' | 'URI'
  readonly uri?: string
}

export interface Validation {
  readonly caCertificateRefs?: readonly CaCertificateRef[]
  readonly hostname: string
  readonly subjectAltNames?: readonly SubjectAltName[]
  readonly wellKnownCACertificates?: string
}

export interface ParentRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
  readonly sectionName?: string
}

export interface Add {
  readonly name: string
  readonly value: string
}

export interface RequestHeaderModifier {
  readonly add?: readonly Add[]
  readonly remove?: readonly string[]
  readonly set?: readonly Add[]
}

export interface RequestMirrorBackendRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
}

export interface Fraction {
  readonly denominator: number
  readonly numerator: number
}

export interface RequestMirror {
  readonly backendRef: RequestMirrorBackendRef
  readonly fraction?: Fraction
  readonly percent?: number
}

export interface Filter {
  readonly extensionRef?: CaCertificateRef
  readonly requestHeaderModifier?: RequestHeaderModifier
  readonly requestMirror?: RequestMirror
  readonly responseHeaderModifier?: RequestHeaderModifier
  readonly type: 'ResponseHeaderModifier' | 'RequestHeaderModifier' | 'RequestMirror' | 'ExtensionRef'
}

export interface BackendRef {
  readonly filters?: readonly Filter[]
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
  readonly weight: number
}

export interface Header {
  readonly name: string
  readonly type: 'Exact' | 'RegularExpression'
  readonly value: string
}

export interface Method {
  readonly method?: string
  readonly service?: string
  readonly type: 'Exact' | 'RegularExpression'
}

export interface Match {
  readonly headers?: readonly Header[]
  readonly method?: Method
}

export interface Cookie {
  readonly lifetimeType: 'Permanent' | 'Session'
  readonly name?: string
  readonly path: string
}

export interface SessionPersistenceHeader {
  readonly name: string
}

export interface SessionPersistence {
  readonly absoluteTimeout?: string
  readonly cookie?: Cookie
  readonly header?: SessionPersistenceHeader
  readonly type: 'Cookie' | 'Header'
}

export interface MatchExpression {
  readonly key: string
  readonly operator: string
  readonly values?: readonly string[]
}

export interface Selector {
  readonly matchExpressions?: readonly MatchExpression[]
  readonly matchLabels?: Readonly<Record<string, string>>
}

export interface Namespaces {
  readonly from: 'All' | 'Selector' | 'Same' | 'None'
  readonly selector?: Selector
}

export interface Kind {
  readonly group: string
  readonly kind: string
}

export interface AllowedRoutesNamespaces {
  readonly from: 'All' | 'Selector' | 'Same'
  readonly selector?: Selector
}

export interface AllowedRoutes {
  readonly kinds?: readonly Kind[]
  readonly namespaces: AllowedRoutesNamespaces
}

export interface ForwardBody {
  readonly maxSize?: number
}

export interface Grpc {
  readonly allowedHeaders?: readonly string[]
}

export interface Http {
  readonly allowedHeaders?: readonly string[]
  readonly allowedResponseHeaders?: readonly string[]
  readonly path?: string
}

export interface ExternalAuth {
  readonly backendRef: RequestMirrorBackendRef
  readonly forwardBody?: ForwardBody
  readonly grpc?: Grpc
  readonly http?: Http
  readonly protocol: 'HTTP' | 'GRPC'
}

export interface Request {
  readonly extensionRef?: CaCertificateRef
  readonly externalAuth?: ExternalAuth
  readonly type: 'ExternalAuth' | 'ExtensionRef'
}

export interface Filters {
  readonly requests?: readonly Request[]
}

export interface CertificateRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

export interface Tls {
  readonly certificateRefs?: readonly CertificateRef[]
  readonly mode: 'Terminate' | 'Passthrough'
  readonly options?: Readonly<Record<string, string>>
}

export interface Listener {
  readonly allowedRoutes: AllowedRoutes
  readonly filters?: Filters
  readonly hostname?: string
  readonly name: string
  readonly port: number
  readonly protocol: string
  readonly tls?: Tls
}

export interface Backend {
  readonly clientCertificateRef?: CertificateRef
}

export interface ValidationCaCertificateRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
}

export interface DefaultValidation {
  readonly caCertificateRefs: readonly ValidationCaCertificateRef[]
  readonly mode: 'AllowValidOnly' | 'AllowInsecureFallback'
}

export interface Default {
  readonly validation?: DefaultValidation
}

export interface PerPort {
  readonly port: number
  readonly tls: Default
}

export interface Frontend {
  readonly default: Default
  readonly perPort?: readonly PerPort[]
}

export interface Cors {
  readonly allowCredentials?: boolean
  readonly allowHeaders?: readonly string[]
  readonly allowMethods?: readonly (
    'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'CONNECT' | 'OPTIONS' | 'TRACE' | 'PATCH' | '*'
  )[]
  readonly allowOrigins?: readonly string[]
  readonly exposeHeaders?: readonly string[]
  readonly maxAge: number
}

export interface Path {
  readonly replaceFullPath?: string
  readonly replacePrefixMatch?: string
  readonly type: 'ReplaceFullPath' | 'ReplacePrefixMatch'
}

export interface RequestRedirect {
  readonly hostname?: string
  readonly path?: Path
  readonly port?: number
  readonly scheme?: 'http' | 'https'
  readonly statusCode: 301 | 302 | 303 | 307 | 308
}

export interface UrlRewrite {
  readonly hostname?: string
  readonly path?: Path
}

export interface BackendRefFilter {
  readonly cors?: Cors
  readonly extensionRef?: CaCertificateRef
  readonly externalAuth?: ExternalAuth
  readonly requestHeaderModifier?: RequestHeaderModifier
  readonly requestMirror?: RequestMirror
  readonly requestRedirect?: RequestRedirect
  readonly responseHeaderModifier?: RequestHeaderModifier
  readonly type:
    | 'RequestHeaderModifier'
    | 'ResponseHeaderModifier'
    | 'RequestMirror'
    | 'RequestRedirect'
    | 'URLRewrite'
    | 'ExtensionRef'
    | 'CORS'
    | 'ExternalAuth'
  readonly urlRewrite?: UrlRewrite
}

export interface RuleBackendRef {
  readonly filters?: readonly BackendRefFilter[]
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
  readonly weight: number
}

export interface MatchPath {
  readonly type: 'Exact' | 'PathPrefix' | 'RegularExpression'
  readonly value: string
}

export interface RuleMatch {
  readonly headers?: readonly Header[]
  readonly method?: 'GET' | 'HEAD' | 'POST' | 'PUT' | 'DELETE' | 'CONNECT' | 'OPTIONS' | 'TRACE' | 'PATCH'
  readonly path: MatchPath
  readonly queryParams?: readonly Header[]
}

export interface Retry {
  readonly attempts: number
  readonly backoff?: string
  readonly codes?: readonly number[]
}

export interface Timeouts {
  readonly backendRequest?: string
  readonly request?: string
}

export interface TCPRouteRuleBackendRef {
  readonly group: string
  readonly kind: string
  readonly name: string
  readonly namespace?: string
  readonly port?: number
  readonly weight: number
}

export interface Rule {
  readonly backendRefs: readonly TCPRouteRuleBackendRef[]
  readonly name?: string
}

export interface Budget {
  readonly interval: string
  readonly percent: number
}

export interface MinRetryRate {
  readonly count?: number
  readonly interval?: string
}

export interface Attribute {
  readonly attributeKey?: string
  readonly headerName?: string
  readonly literalValue?: string
  readonly name: string
  readonly sourceType: 'Header' | 'Literal' | 'Attribute'
}

export interface ParentBasedSampling {
  readonly mode: 'Enabled' | 'Disabled' | 'ImplementationDefault'
  readonly samplingRate?: Fraction
}

export interface Provider {
  readonly backendRef: RequestMirrorBackendRef
  readonly headers?: readonly Add[]
}
