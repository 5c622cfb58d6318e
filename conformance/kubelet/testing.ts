/** Images → a cluster of processes for one file of tests, and how it is asked. For tests. */
import { type ChildProcess, execFile } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { typescript } from '../program.ts'
import { builtCluster } from '../programs.ts'
import type { LabOptions } from './main.ts'
import { inNamespaces } from './namespaces.ts'

export interface TestLab {
  /** Logs, images, kubeconfig. */
  readonly folder: string
  /** The lab itself: as long as it runs, the cluster does. */
  readonly process: ChildProcess
  /** Begins with what enters the lab; a program and its arguments follow. */
  readonly enter: readonly [file: string, ...args: string[]]
  /** What it has printed; rejects with what it complains of where it fails. */
  run(args: readonly string[], input?: string): Promise<string>
  kubectl(args: readonly string[], input?: string): Promise<string>
  /** A JSONPath of objects. */
  show(path: string, ...what: string[]): Promise<string>
  stop(): Promise<void>
}

/** `images`: of a folder that is there already, for programs that are written for it. Rejects when it ends before it is ready. */
export async function startTestLab(images: (folder: string) => object): Promise<TestLab> {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-lab-'))
  writeFileSync(`${folder}/images.json`, JSON.stringify(images(folder)))
  const options: LabOptions = {
    folder,
    images: [`${folder}/images.json`],
    suite: 'v1.7.0',
    channel: 'none',
    stay: true,
  }
  const lab = inNamespaces(typescript(join(import.meta.dirname, 'main.ts'), [JSON.stringify(options)]), process.env)
  const gone = new Promise<void>((done) => lab.once('exit', () => done()))
  const enter = ['nsenter', '-t', String(lab.pid), '-n', '-m', '--'] as const
  const run: TestLab['run'] = (args, input = '') =>
    new Promise((done, fail) => {
      const env = { ...process.env, KUBECONFIG: `${folder}/kubeconfig` }
      const [file, ...rest] = [...enter, ...args]
      const child = execFile(file ?? '', rest, { env, maxBuffer: 1 << 26 }, (error, stdout, stderr) =>
        error === null ? done(stdout) : fail(new Error(`${args.join(' ')}: ${stderr}`)),
      )
      // who ends without reading says why by how it ends
      child.stdin?.on('error', () => undefined).end(input)
    })
  const kubectl: TestLab['kubectl'] = (args, input) => run([builtCluster()?.kubectl ?? '', ...args], input)
  const made: TestLab = {
    folder,
    process: lab,
    enter: [...enter],
    run,
    kubectl,
    show: (path, ...what) => kubectl(['get', ...what, '-o', `jsonpath=${path}`]),
    async stop() {
      lab.kill('SIGKILL')
      await gone
      // the last of its processes may still be writing
      rmSync(folder, { recursive: true, force: true, maxRetries: 10, retryDelay: 100 })
    },
  }
  while (!existsSync(`${folder}/ready`)) {
    if (lab.exitCode !== null || lab.signalCode !== null) {
      await made.stop()
      throw new Error('the lab ended before it was ready')
    }
    await sleep(50)
  }
  return made
}
