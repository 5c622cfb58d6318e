/** Certificate files → on disk, whole or not at all; what nobody uses any more is removed. Effect. */
import { chmod, mkdir, open, readdir, rename, rm, stat } from 'node:fs/promises'
import { dirname, join, resolve, sep } from 'node:path'
import type { CertificateFile } from './compile.ts'

/** Folders 0700, files 0600. A file that is there is right: its folder's name is the digest of its content. */
export async function writeCertificates(folder: string, files: readonly CertificateFile[]): Promise<void> {
  const root = resolve(folder)
  for (const file of files) {
    const path = inside(root, file.path)
    const there = await stat(path).catch(() => undefined)
    if (there?.isFile() === true) continue
    await mkdir(dirname(path), { recursive: true, mode: 0o700 })
    await writeWhole(path, file.content.reveal())
  }
}

/** Of our own shape only: `name/digest`. */
export async function removeStale(folder: string, files: readonly CertificateFile[]): Promise<void> {
  const used = new Set(files.map(({ path }) => dirname(path)))
  for (const name of await readdir(folder).catch(() => [])) {
    const digests = (await readdir(join(folder, name)).catch(() => [])).filter((each) => /^[0-9a-f]{16}$/.test(each))
    for (const digest of digests)
      if (!used.has(`${name}/${digest}`)) await rm(join(folder, name, digest), { recursive: true, force: true })
    if (digests.length > 0 && (await readdir(join(folder, name))).length === 0)
      await rm(join(folder, name), { recursive: true, force: true })
  }
}

/** Readers see the old one or the new one. */
export async function writeWhole(path: string, text: string): Promise<void> {
  const next = `${path}.next`
  try {
    const file = await open(next, 'w', 0o600)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await chmod(next, 0o600)
    await rename(next, path)
  } catch (error) {
    await rm(next, { force: true })
    throw error
  }
}

/** The compiler makes no other paths; this is the lock behind the lock. */
function inside(root: string, path: string): string {
  const full = resolve(root, path)
  if (!full.startsWith(root + sep)) throw new Error(`a certificate would be written outside of its folder: ${path}`)
  return full
}
