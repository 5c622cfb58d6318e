/** 1,000 hosts of 10 paths each → configurations for Gantry and nginx, and a load that asks for all of them. Pure. */

export interface Target {
  readonly host: string
  readonly path: string
}

const paths = 10

export function targetsOf(hosts: number): readonly Target[] {
  return Array.from({ length: hosts * paths }, (_, at) => ({
    host: `h${Math.floor(at / paths)}.example.com`,
    path: `/service${at % paths}`,
  }))
}

/** `gateway.config.yml`; `targets` undefined: one route for everything. */
export function gatewayConfig(targets: readonly Target[] | undefined): string {
  const endpoints =
    targets === undefined
      ? "  e0: { host: '*', paths: ['/*'] }"
      : targets.map(({ host, path }, at) => `  e${at}: { host: ${host}, paths: ['${path}'] }`).join('\n')
  const names = targets === undefined ? ['e0'] : targets.map((_, at) => `e${at}`)
  return `http: { port: \${BENCH_PORT}, hostname: 127.0.0.1 }
apiEndpoints:
${endpoints}
serviceEndpoints:
  backend: { url: 'http://127.0.0.1:\${BENCH_BACKEND_PORT}' }
policies: [proxy]
pipelines:
  all:
    apiEndpoints: [${names.join(', ')}]
    policies:
      - proxy: { action: { serviceEndpoint: backend } }
`
}

export function nginxServers(targets: readonly Target[] | undefined): (port: number) => string {
  return (port) => {
    const listen = `listen 127.0.0.1:${port};`
    if (targets === undefined) return `server { ${listen} location / { proxy_pass http://backend; } }`
    const byHost = grouped(targets)
    return [...byHost]
      .map(([host, ofHost]) => {
        const locations = ofHost.map(({ path }) => `location = ${path} { proxy_pass http://backend; }`)
        return `server { ${listen} server_name ${host}; ${locations.join(' ')} }`
      })
      .join('\n')
  }
}

function grouped(targets: readonly Target[]): Map<string, Target[]> {
  const found = new Map<string, Target[]>()
  for (const target of targets) found.set(target.host, [...(found.get(target.host) ?? []), target])
  return found
}

/** For wrk: the same mixed requests to whoever is measured. */
export function wrkScript(targets: readonly Target[], headers: Readonly<Record<string, string>>): string {
  const lines = Object.entries(headers).map(
    ([name, value]) => `  h[${JSON.stringify(name)}] = ${JSON.stringify(value)}`,
  )
  // a step that shares no factor with the number of targets visits all of them, far from each other
  return `local n, hosts, paths, requests, at = ${targets.length}, ${targets.length / paths}, ${paths}, {}, 0
function init()
  for i = 0, n - 1 do
    local h = {}
${lines.join('\n')}
    h["Host"] = "h" .. math.floor(i / paths) .. ".example.com"
    requests[i] = wrk.format("GET", "/service" .. (i % paths), h)
  end
end
function request()
  at = (at + 3331) % n
  return requests[at]
end
`
}
