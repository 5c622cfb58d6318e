/** The shapes of Kubernetes objects, as far as the lab reads them. Types only. */

export interface Metadata {
  readonly name: string
  readonly namespace?: string
  readonly uid: string
  readonly resourceVersion: string
  readonly generation?: number
  readonly labels?: Readonly<Record<string, string>>
  readonly annotations?: Readonly<Record<string, string>>
  readonly deletionTimestamp?: string
  readonly deletionGracePeriodSeconds?: number
}

/** Any object of the API. Items of a list carry no `kind`. */
export interface Resource {
  readonly apiVersion?: string
  readonly kind?: string
  readonly metadata: Metadata
}

export interface Pod extends Resource {
  readonly spec: PodSpec
  readonly status?: Readonly<Record<string, unknown>>
}

export interface PodSpec {
  readonly nodeName?: string
  readonly hostNetwork?: boolean
  readonly restartPolicy?: 'Always' | 'OnFailure' | 'Never'
  readonly serviceAccountName?: string
  readonly initContainers?: readonly ContainerSpec[]
  readonly containers: readonly ContainerSpec[]
  readonly volumes?: readonly Volume[]
}

export interface ContainerSpec {
  readonly name: string
  readonly image: string
  readonly command?: readonly string[]
  readonly args?: readonly string[]
  readonly workingDir?: string
  readonly env?: readonly EnvVar[]
  readonly envFrom?: readonly EnvSource[]
  readonly ports?: readonly { readonly name?: string; readonly containerPort: number; readonly protocol?: string }[]
  readonly volumeMounts?: readonly { readonly name: string; readonly mountPath: string; readonly subPath?: string }[]
  readonly readinessProbe?: Probe
  readonly startupProbe?: Probe
  readonly resources?: Readonly<Partial<Record<'limits' | 'requests', Readonly<Record<string, string>>>>>
}

export interface EnvVar {
  readonly name: string
  readonly value?: string
  readonly valueFrom?: {
    readonly secretKeyRef?: KeyRef
    readonly configMapKeyRef?: KeyRef
    readonly fieldRef?: { readonly fieldPath: string }
    readonly resourceFieldRef?: { readonly resource: string }
  }
}

export interface EnvSource {
  readonly prefix?: string
  readonly secretRef?: { readonly name: string; readonly optional?: boolean }
  readonly configMapRef?: { readonly name: string; readonly optional?: boolean }
}

interface KeyRef {
  readonly name: string
  readonly key: string
  readonly optional?: boolean
}

export interface Probe {
  readonly httpGet?: HttpGet
  readonly tcpSocket?: { readonly port: number | string }
  readonly grpc?: { readonly port: number }
  readonly timeoutSeconds?: number
  readonly periodSeconds?: number
  readonly failureThreshold?: number
}

export interface HttpGet {
  readonly port: number | string
  readonly path?: string
  readonly scheme?: 'HTTP' | 'HTTPS'
  readonly httpHeaders?: readonly { readonly name: string; readonly value: string }[]
}

export interface Volume extends VolumeSource {
  readonly name: string
  readonly hostPath?: { readonly path: string }
  readonly emptyDir?: object
  readonly projected?: { readonly sources: readonly VolumeSource[] }
}

export interface VolumeSource {
  /** A volume says secretName, a projected source says name. */
  readonly secret?: ItemsOf & { readonly secretName?: string; readonly name?: string }
  readonly configMap?: ItemsOf & { readonly name: string }
  readonly downwardAPI?: {
    readonly items?: readonly { readonly path: string; readonly fieldRef?: { readonly fieldPath: string } }[]
  }
  readonly serviceAccountToken?: TokenSource
}

export interface ItemsOf {
  readonly optional?: boolean
  readonly items?: readonly { readonly key: string; readonly path: string }[]
}

export interface TokenSource {
  readonly path: string
  readonly audience?: string
  readonly expirationSeconds?: number
}

/** Secret or ConfigMap. */
export interface Source extends Resource {
  readonly type?: string
  readonly data?: Readonly<Record<string, string>>
  readonly binaryData?: Readonly<Record<string, string>>
}

export interface Service extends Resource {
  readonly spec: {
    readonly type?: string
    readonly clusterIP?: string
    readonly externalIPs?: readonly string[]
    readonly loadBalancerIP?: string
    readonly ports?: readonly ServicePort[]
  }
  readonly status?: { readonly loadBalancer?: { readonly ingress?: readonly { readonly ip?: string }[] } }
}

export interface ServicePort {
  readonly name?: string
  readonly port: number
  readonly protocol?: string
}

export interface EndpointSlice extends Resource {
  readonly addressType: 'IPv4' | 'IPv6' | 'FQDN'
  readonly ports?: readonly { readonly name?: string; readonly port?: number; readonly protocol?: string }[] | null
  readonly endpoints?: readonly Endpoint[] | null
}

export interface Endpoint {
  readonly addresses: readonly string[]
  readonly conditions?: { readonly ready?: boolean }
}
