/** Rows → Debian's nginx: the base that every other peer is compared with. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { apiKey } from '../materials.ts'
import { freePorts, type Peer, type Place, type Started } from './peer.ts'
import { childrenOf, startProcess, wrapped, type Cores, type Running, type Under } from './process.ts'

const program = '/usr/sbin/nginx'
/** It verifies no tokens. */
const rows = [
  'plain',
  'key',
  'rate',
  'keylimit',
  'all',
  'close',
  'tls',
  'h2',
  'h2c',
  'h2both',
  'websocket',
  'download',
  'upload',
]

export interface NginxOptions {
  readonly processes?: number
  readonly cores?: Cores
  /** `server { … }` instead of the bench's own. */
  readonly servers?: (port: number) => string
  readonly under?: Under
}

export const nginx: Peer = {
  name: 'nginx',
  missing: () => (existsSync(program) ? undefined : `${program} is not there; apt-get install nginx`),
  start: (place) => startNginx(place),
}

export async function startNginx(place: Place, options: NginxOptions = {}): Promise<Started> {
  const { folder, materials } = place
  const { http, https, h2c, h2both } = await freePorts(['http', 'https', 'h2c', 'h2both'])
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `${commonLines(folder, options.processes ?? 1)}
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0; ${temporaryFolders(folder)}
 server_names_hash_max_size 8192; server_names_hash_bucket_size 128;
 upstream backend { server 127.0.0.1:${place.backend}; keepalive 256; keepalive_requests 1000000000; }
 upstream echo { server 127.0.0.1:${place.echo}; }
 map $http_x_api_key $key_ok { default 0; "${apiKey}" 1; }
 limit_req_zone $binary_remote_addr zone=rate:1m rate=1000000r/s;
 proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
 proxy_request_buffering off;
 ${options.servers?.(http) ?? server(http, https, materials.tls) + overHttp2(h2c, h2both, place.h2c)} }`,
  )
  const running = await runNginx(folder, file, http, options.cores ?? '0', options.under)
  return {
    ...running,
    origin: (row) => {
      if (options.servers === undefined && !rows.includes(row)) return undefined
      if (row === 'h2c') return `http://127.0.0.1:${h2c}`
      if (row === 'h2both') return `http://127.0.0.1:${h2both}`
      return row === 'tls' || row === 'h2' ? `https://127.0.0.1:${https}` : `http://127.0.0.1:${http}`
    },
  }
}

function server(http: number, https: number, tls: { readonly cert: string; readonly key: string }): string {
  return `server { listen 127.0.0.1:${http} backlog=4096 reuseport; listen 127.0.0.1:${https} ssl http2 backlog=4096;
  ssl_certificate ${tls.cert}; ssl_certificate_key ${tls.key}; ssl_session_cache off;
  location / { proxy_pass http://backend; }
  location /key { if ($key_ok = 0) { return 401; } proxy_pass http://backend; }
  location /rate { limit_req zone=rate burst=100000 nodelay; proxy_pass http://backend; }
  location /keylimit { if ($key_ok = 0) { return 401; } limit_req zone=rate burst=100000 nodelay; proxy_pass http://backend; }
  location /all { if ($key_ok = 0) { return 401; } limit_req zone=rate burst=100000 nodelay; add_header Access-Control-Allow-Origin *; proxy_pass http://backend; }
  location /ws { proxy_set_header Upgrade $http_upgrade; proxy_set_header Connection upgrade; proxy_read_timeout 600s; proxy_pass http://echo; } }`
}

/** Its only way to a backend of HTTP/2 is the one for gRPC, which takes any request; a connection there has one stream at a time. */
function overHttp2(h2c: number, h2both: number, backend: number): string {
  return `upstream h2c { server 127.0.0.1:${backend}; keepalive 256; keepalive_requests 1000000000; }
 server { listen 127.0.0.1:${h2c} backlog=4096 reuseport; listen 127.0.0.1:${h2both} http2 backlog=4096;
  location / { grpc_set_header Host $host; grpc_set_header X-Forwarded-For $proxy_add_x_forwarded_for; grpc_pass grpc://h2c; } }`
}

export const temporaryFolders = (folder: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')

export const commonLines = (folder: string, processes: number): string => `
${process.getuid?.() === 0 ? 'user root; ' : ''}worker_processes ${processes}; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err;
events { worker_connections 20000; }`

/** The workers' CPU counts; the master does nothing. */
export async function runNginx(
  folder: string,
  file: string,
  port: number,
  cores: Cores,
  under?: Under,
): Promise<Running> {
  const args = ['-p', folder, '-c', file, '-e', join(folder, 'nginx.err')]
  const running = await startProcess({ ...wrapped(under, program, args), cores, readyPort: port })
  const [master = 0] = running.pids
  // the port answers before there is anybody to accept
  while (childrenOf(master).length < 1) await sleep(20)
  return { ...running, pids: childrenOf(master) }
}
