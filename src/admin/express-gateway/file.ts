/** A folder → its gateway configuration; a text → the file, whole or not at all. Effects. */
import { open, readFile, realpath, rename, rm, stat, writeFile } from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import { Refusal } from './answers.ts'

export interface ConfigFile {
  readonly path: string
  readonly format: 'yaml' | 'json'
  readonly text: string
}

/** `.yml` before `.json`, as they are read. */
export async function configFile(folder: string): Promise<ConfigFile> {
  for (const format of ['yaml', 'json'] as const) {
    const path = join(folder, `gateway.config.${format === 'yaml' ? 'yml' : 'json'}`)
    try {
      return { path, format, text: await readFile(path, 'utf8') }
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error
    }
  }
  throw new Refusal(500, `there is no gateway.config.yml in ${folder}`)
}

/**
 * Beside the file, on the disk, then in its place: who reads meanwhile sees the old or the new. A link stays a link. A
 * file that is mounted alone cannot be replaced; it is written over.
 */
export async function writeWhole(path: string, text: string): Promise<void> {
  const target = await realpath(path)
  const { mode } = await stat(target)
  const beside = join(dirname(target), `.${basename(target)}.${process.pid}.new`)
  try {
    const file = await open(beside, 'w', mode & 0o777)
    try {
      await file.writeFile(text)
      await file.sync()
    } finally {
      await file.close()
    }
    await rename(beside, target)
  } catch (error) {
    await rm(beside, { force: true })
    if (!['EBUSY', 'EXDEV', 'EACCES', 'EROFS'].includes((error as NodeJS.ErrnoException).code ?? '')) throw error
    await writeFile(target, text)
  }
}
