/** src/ → dist/: compiled JavaScript with types, beside the files that are not code. */
import { execFileSync } from 'node:child_process'
import { chmodSync, cpSync, existsSync, readdirSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('..', import.meta.url))
const dist = join(root, 'dist')
rmSync(dist, { recursive: true, force: true })
execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.build.json'], {
  cwd: root,
  stdio: 'inherit',
})
copyData(join(root, 'src'), dist)
for (const name of readdirSync(join(dist, 'bin'))) if (name.endsWith('.js')) chmodSync(join(dist, 'bin', name), 0o755)

/** Pages, schemas and worker scripts that code reads at run time; fixtures are for tests only. */
function copyData(from, to) {
  for (const name of readdirSync(from)) {
    if (name === 'fixtures' || name === 'testing') continue
    const path = join(from, name)
    if (statSync(path).isDirectory()) copyData(path, join(to, name))
    else if (/\.(json|html|css|svg|yaml|yml|mjs|cjs|js)$/.test(name) && existsSync(to)) cpSync(path, join(to, name))
  }
}
