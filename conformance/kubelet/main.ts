/** Options in JSON, command → a cluster of processes in this namespace, with the command run in it as administrator. */
import { spawn } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { dirname, resolve } from 'node:path'
import { createRequire } from 'node:module'
import { pathToFileURL } from 'node:url'
import { z } from 'zod'
import { builtCluster, builtSuite, suites } from '../programs.ts'
import { startCluster } from './cluster.ts'
import { type Images, readImages } from './environment.ts'

const shape = z.strictObject({
  folder: z.string(),
  images: z.array(z.string()),
  suite: z.enum(suites),
  channel: z.enum(['standard', 'experimental', 'none']),
  stay: z.boolean(),
})
export type LabOptions = z.infer<typeof shape>

const [, , json = '', ...command] = process.argv
const options = shape.parse(JSON.parse(json))
const checkout = resolve(import.meta.dirname, '../..')
const programs = builtCluster()
const echo = builtSuite(options.suite)?.echo
if (!programs || !echo) throw new Error('the lab is not built: `npm run conformance -- build`')

const { kubeconfig } = await startCluster({
  folder: options.folder,
  images: Object.assign({}, ...options.images.map(readFile)) as Images,
  crds: options.channel,
  suite: options.suite,
})
writeFileSync(`${options.folder}/ready`, kubeconfig)
console.error(`lab: ready, KUBECONFIG=${kubeconfig}`)

const [file, ...args] = command
if (file) {
  const env = { ...process.env, KUBECONFIG: kubeconfig, PATH: `${dirname(programs.kubectl)}:${process.env['PATH']}` }
  const child = spawn(file, args, { env, stdio: ['ignore', 'inherit', 'inherit'] })
  child.on('error', (error) => {
    console.error(`lab: ${file}: ${error.message}`)
    process.exit(127)
  })
  child.on('exit', (code) => {
    if (options.stay) console.error(`lab: the command ended with ${code}, the lab stays until it is interrupted`)
    else process.exit(code ?? 1)
  })
}

/** $NODE, $TSX: what runs TypeScript; $CHECKOUT: this repository; $HERE: the map's folder; $ECHO: the suite's backend. */
function readFile(path: string): Images {
  const tsx = pathToFileURL(createRequire(import.meta.url).resolve('tsx')).href
  return readImages(readFileSync(path, 'utf8'), {
    NODE: process.execPath,
    TSX: tsx,
    CHECKOUT: checkout,
    HERE: dirname(resolve(path)),
    ECHO: echo ?? '',
  })
}
