/** Ports → Debian's nginx as the backend and as the base every other row is compared with. */
import { mkdirSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { startProcess, type Running } from './process.ts'

const temporary = (folder: string): string =>
  ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${folder}/${name};`).join(' ')

const common = (folder: string): string => `
${process.getuid?.() === 0 ? 'user root; ' : ''}worker_processes 1; daemon off; pid ${folder}/nginx.pid; error_log ${folder}/nginx.err;
events { worker_connections 20000; }`

/** 64 bytes for every path, 1 MiB at /big, and a WebSocket echo is not nginx's to give. */
export async function startBackend(folder: string, port: number): Promise<Running> {
  mkdirSync(join(folder, 'www'), { recursive: true })
  writeFileSync(join(folder, 'www/big'), Buffer.alloc(1 << 20, 'x'))
  const file = join(folder, 'nginx.conf')
  const body = '{"message":"hello from the backend","ok":true,"n":123456789012}'
  writeFileSync(
    file,
    `${common(folder)}
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; sendfile on; client_max_body_size 0; ${temporary(folder)}
 server { listen 127.0.0.1:${port} backlog=4096; default_type application/json; root ${folder}/www;
  location = /big { default_type application/octet-stream; }
  location = /upload { client_body_buffer_size 2m; proxy_pass http://127.0.0.1:${port}/; }
  location / { return 200 '${body}'; } } }`,
  )
  return nginx(folder, file, port, 1)
}

export async function startNginx(
  folder: string,
  ports: {
    readonly http: number
    readonly https: number
    readonly backend: number
    readonly tls: { readonly cert: string; readonly key: string }
  },
): Promise<Running> {
  mkdirSync(folder, { recursive: true })
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `${common(folder)}
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_max_body_size 0; ${temporary(folder)}
 upstream backend { server 127.0.0.1:${ports.backend}; keepalive 256; keepalive_requests 1000000000; }
 map $http_x_api_key $key_ok { default 0; "bench:secret" 1; }
 limit_req_zone $binary_remote_addr zone=rate:1m rate=1000000r/s;
 proxy_http_version 1.1; proxy_set_header Connection ""; proxy_set_header Host $host; proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
 proxy_request_buffering off;
 server { listen 127.0.0.1:${ports.http} backlog=4096; listen 127.0.0.1:${ports.https} ssl http2 backlog=4096;
  ssl_certificate ${ports.tls.cert}; ssl_certificate_key ${ports.tls.key}; ssl_session_cache off;
  location / { proxy_pass http://backend; }
  location /key { if ($key_ok = 0) { return 401; } proxy_pass http://backend; }
  location /rate { limit_req zone=rate burst=100000 nodelay; proxy_pass http://backend; }
  location /all { if ($key_ok = 0) { return 401; } limit_req zone=rate burst=100000 nodelay; add_header Access-Control-Allow-Origin *; proxy_pass http://backend; } } }`,
  )
  return nginx(folder, file, ports.http, 0)
}

/** The worker's CPU counts; the master does nothing. */
async function nginx(folder: string, file: string, port: number, core: 0 | 1): Promise<Running> {
  const command = '/usr/sbin/nginx'
  const running = await startProcess({
    command,
    args: ['-p', folder, '-c', file, '-e', join(folder, 'nginx.err')],
    core,
    readyPort: port,
  })
  const master = running.pids[0] ?? 0
  const children = readFileSync(`/proc/${master}/task/${master}/children`, 'utf8').trim().split(' ').map(Number)
  return { pids: children, stop: running.stop }
}
