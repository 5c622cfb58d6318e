/**
 * The acceptance suite of Express Gateway against this checkout → its rows, and one closing line `N passed, N failed`.
 * Arguments select rows by id or fixture. The suite itself lies unchanged in express-gateway/; it needs python3, curl,
 * jq, openssl and bash, and the ports 23001 to 23443 of the loopback.
 */
import { spawn, spawnSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, mkdtempSync, readdirSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))

process.exitCode = await main(process.argv.slice(2))

async function main(selected: readonly string[]): Promise<number> {
  for (const program of ['python3', 'curl', 'jq', 'openssl', 'bash']) {
    if (spawnSync('sh', ['-c', `command -v ${program}`]).status !== 0) {
      console.error(`the suite needs ${program}: apt-get install ${program}`)
      return 1
    }
  }
  const program = build()
  // the suite's programs are CommonJS, and this repository is not: they run from a place of their own
  const place = mkdtempSync(join(tmpdir(), 'gantry-accept-'))
  try {
    const suite = join(place, 'suite')
    cpSync(join(root, 'conformance/express-gateway'), suite, { recursive: true })
    const cli = join(place, 'eg')
    writeFileSync(cli, `#!/bin/sh\nexec '${process.execPath}' '${join(program, 'bin/eg.js')}' "$@"\n`)
    chmodSync(cli, 0o755)
    const environment = {
      ...process.env,
      EGW_START: `'${process.execPath}' '${join(program, 'bin/gantry.js')}' run "$EG_CONFIG_DIR"`,
      EGW_CLI: cli,
      EGW_MODELS: join(root, 'examples/express-gateway/models'),
    }
    let passed = 0
    let failed = 0
    for (const rows of ['rows.tsv', 'defects.tsv']) {
      // the same request is 500 in the one (as the original answers) and 4xx in the other (as it should)
      const answers = rows === 'defects.tsv' ? 'strict' : 'original'
      const result = await run(join(suite, 'run.py'), selected, {
        ...environment,
        ROWS: rows,
        GANTRY_ADMIN_ANSWERS: answers,
      })
      passed += result.passed
      failed += result.failed
      // the runner itself broke: that is no passing
      if (result.status !== 0 && result.failed === 0) failed += 1
    }
    console.log(`${passed} passed, ${failed} failed`)
    return failed === 0 && passed > 0 ? 0 : 1
  } finally {
    rmSync(place, { recursive: true, force: true })
  }
}

/** src/ → a compiled copy that is started in a fraction of a second; types are checked elsewhere. */
function build(): string {
  const home = join(root, 'node_modules/.gantry-accept')
  const program = join(home, 'dist')
  rmSync(home, { recursive: true, force: true })
  const tsc = join(root, 'node_modules/typescript/bin/tsc')
  const options = ['-p', 'tsconfig.build.json', '--noCheck', '--declaration', 'false', '--outDir', program]
  const { status } = spawnSync(process.execPath, [tsc, ...options], { cwd: root, stdio: 'inherit' })
  if (status !== 0) throw new Error(`the sources could not be compiled: exit code ${status}`)
  copyData(join(root, 'src'), program)
  for (const beside of ['package.json', 'examples']) cpSync(join(root, beside), join(home, beside), { recursive: true })
  return program
}

/** Pages and scripts that code reads at run time. */
function copyData(from: string, to: string): void {
  for (const name of readdirSync(from)) {
    const path = join(from, name)
    if (statSync(path).isDirectory()) {
      if (name !== 'fixtures') copyData(path, join(to, name))
    } else if (/\.(?:json|html|css|svg|yaml|yml|mjs|cjs|js)$/.test(name) && existsSync(to)) cpSync(path, join(to, name))
  }
}

interface Result {
  readonly passed: number
  readonly failed: number
  readonly status: number
}

/** Passes its output on and counts the rows in it. */
function run(script: string, selected: readonly string[], environment: NodeJS.ProcessEnv): Promise<Result> {
  return new Promise((resolve, reject) => {
    const child = spawn('python3', [script, ...selected], { env: environment, stdio: ['ignore', 'pipe', 'inherit'] })
    let text = ''
    child.stdout.setEncoding('utf8')
    child.stdout.on('data', (piece: string) => {
      text += piece
      process.stdout.write(piece)
    })
    child.once('error', reject)
    child.once('close', (status) => {
      resolve({
        passed: text.match(/^ok {3}/gm)?.length ?? 0,
        failed: text.match(/^FAIL /gm)?.length ?? 0,
        status: status ?? 1,
      })
    })
  })
}
