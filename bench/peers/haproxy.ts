/** Rows → Debian's HAProxy, one thread, a frontend for each row. */
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { apiKey, type Materials } from '../materials.ts'
import { freePorts, type Peer } from './peer.ts'
import { startProcess } from './process.ts'

const program = '/usr/sbin/haproxy'
const frontends = ['plain', 'key', 'rate', 'keylimit', 'hs256', 'rs256', 'all', 'tls', 'websocket'] as const
type Frontend = (typeof frontends)[number]
const shared: Readonly<Record<string, Frontend>> = { close: 'plain', download: 'plain', upload: 'plain', h2: 'tls' }

export const haproxy: Peer = {
  name: 'haproxy',
  missing: () => (existsSync(program) ? undefined : `${program} is not there; apt-get install haproxy`),

  async start({ folder, backend, echo, materials }) {
    const ports = await freePorts(frontends)
    const file = join(folder, 'haproxy.cfg')
    const parts = frontends.map((name) => {
      const secure = name === 'tls' ? ` ssl crt ${materials.tlsBundle} alpn h2,http/1.1` : ''
      const rules = rulesOf(name, materials).map((line) => `  ${line}\n`)
      const to = name === 'websocket' ? 'echo' : 'backend'
      return `frontend ${name}\n  bind 127.0.0.1:${ports[name]}${secure}\n${rules.join('')}  default_backend ${to}\n`
    })
    writeFileSync(
      file,
      `global
  nbthread 1
  maxconn 9000
defaults
  mode http
  timeout connect 5s
  timeout client 600s
  timeout server 600s
  timeout tunnel 600s
  option http-keep-alive
  option forwardfor
  http-reuse always
backend backend
  server s 127.0.0.1:${backend}
backend echo
  server s 127.0.0.1:${echo}
${parts.join('')}`,
    )
    const running = await startProcess({
      command: program,
      args: ['-db', '-f', file],
      cores: '0',
      readyPort: ports.plain,
    })
    return {
      ...running,
      origin: (row) => {
        const frontend = shared[row] ?? frontends.find((name) => name === row)
        if (frontend === undefined) return undefined
        return `${frontend === 'tls' ? 'https' : 'http'}://127.0.0.1:${ports[frontend]}`
      },
    }
  },
}

function rulesOf(name: Frontend, materials: Materials): readonly string[] {
  const key = `http-request deny deny_status 401 unless { req.hdr(x-api-key) -m str ${apiKey} }`
  // a sliding estimate: it has no fixed window either
  const rate = [
    'stick-table type string len 64 size 100k expire 60s store http_req_rate(10s)',
    'http-request track-sc0 src',
    'http-request deny deny_status 429 if { sc_http_req_rate(0) gt 100000000 }',
  ]
  const token = (verify: string): readonly string[] => [
    'http-request set-var(txn.bearer) http_auth_bearer',
    `http-request deny deny_status 401 unless { var(txn.bearer),jwt_verify(${verify}) -m int 1 }`,
    "http-request deny deny_status 401 if { var(txn.bearer),jwt_payload_query('$.exp','int') -m int lt 1700000000 }",
  ]
  switch (name) {
    case 'key':
      return [key]
    case 'rate':
      return rate
    case 'keylimit':
      return [key, ...rate]
    case 'all':
      return [key, ...rate, 'http-response set-header Access-Control-Allow-Origin *']
    case 'hs256':
      return token(`"HS256","${materials.hs256Secret}"`)
    case 'rs256':
      return token(`"RS256","${materials.rs256File}"`)
    case 'plain':
    case 'tls':
    case 'websocket':
      return []
  }
}
