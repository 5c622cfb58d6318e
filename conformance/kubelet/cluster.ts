/** Programs, images, definitions → a Kubernetes cluster of processes in this namespace; it ends with this process. */
import { execFile } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { promisify } from 'node:util'
import { type ApiServer, type ApiServerOptions, startApiServer } from '../lab.ts'
import type { Images } from './environment.ts'
import { runKubelet } from './kubelet.ts'
import { collectLogs } from './logs.ts'
import { bridge, prepareNetwork } from './sandbox.ts'
import { serveServices } from './services.ts'

const execute = promisify(execFile)

export interface ClusterOptions extends ApiServerOptions {
  readonly images: Images
  readonly folder: string
}

/** To be called once, in namespaces of its own (`namespaces.ts`): it changes addresses, NAT and /etc/resolv.conf. */
export async function startCluster(options: ClusterOptions): Promise<ApiServer> {
  await prepareNetwork('10.96.0.0/15') // ClusterIPs 10.96, LoadBalancers 10.97
  await isolateNames()
  const server = await startApiServer(options)
  const logs = collectLogs(`${options.folder}/logs`)
  // the API server asks for logs without looking at the certificate
  await logs.listen(bridge.address, 10250, server.certificate)
  await serveServices(server.kube, { api: `127.0.0.1:${server.port}`, resolver: bridge.address, pool: '10.97' })
  await runKubelet(
    server.kube,
    { name: 'lab-node', port: 10250, folder: options.folder, scratch: '/run/lab', images: options.images },
    logs,
  )
  return server
}

/** Programs of the lab ask the lab for names; nobody outside hears of them. */
async function isolateNames(): Promise<void> {
  mkdirSync('/run/lab', { recursive: true })
  writeFileSync('/run/lab/resolv.conf', `nameserver ${bridge.address}\noptions timeout:1\n`)
  await execute('mount', ['--bind', '/run/lab/resolv.conf', '/etc/resolv.conf'])
}
