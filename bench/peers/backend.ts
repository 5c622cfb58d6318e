/** Ports → what the proxies forward to: nginx with fixed answers, and an echo of WebSocket messages. On core 1. */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { answerBody } from '../materials.ts'
import { commonLines, runNginx, temporaryFolders } from './nginx.ts'
import { startProcess, type Cores, type Running } from './process.ts'

export interface BackendOptions {
  readonly cores?: Cores
  readonly processes?: number
  /** A port that speaks HTTP/2 alone, in clear. */
  readonly h2c?: number
}

/** 64 bytes for every path, 1 MiB at /big; /upload is read whole. */
export async function startBackend(folder: string, port: number, options: BackendOptions = {}): Promise<Running> {
  mkdirSync(join(folder, 'www'), { recursive: true })
  writeFileSync(join(folder, 'www/big'), Buffer.alloc(1 << 20, 'x'))
  const file = join(folder, 'nginx.conf')
  writeFileSync(
    file,
    `${commonLines(folder, options.processes ?? 1)}
http { access_log off; keepalive_requests 1000000000; keepalive_timeout 600s; client_body_timeout 600s; send_timeout 600s; sendfile on; client_max_body_size 0; ${temporaryFolders(folder)}
 server { listen 127.0.0.1:${port} backlog=4096 reuseport;${options.h2c === undefined ? '' : ` listen 127.0.0.1:${options.h2c} http2 backlog=4096;`} default_type application/json; root ${folder}/www;
  location = /big { default_type application/octet-stream; }
  location = /upload { client_body_buffer_size 2m; proxy_pass http://127.0.0.1:${port}/; }
  location / { return 200 '${answerBody}'; } } }`,
  )
  return runNginx(folder, file, port, options.cores ?? '1')
}

export function startEcho(port: number): Promise<Running> {
  const file = fileURLToPath(new URL('../load/echo.ts', import.meta.url))
  const args = ['--import', 'tsx', file, String(port)]
  return startProcess({ command: process.execPath, args, cores: '1', readyPort: port })
}
