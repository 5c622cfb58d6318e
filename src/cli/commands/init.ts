/** `gantry init FOLDER` → a copy of a template, and what to do next. Nothing that exists is overwritten. */
import { cp, mkdir, readdir } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { UsageError } from '../load.ts'
import type { Parts } from '../parts.ts'
import { writeOut } from '../print.ts'

export async function init(parts: Parts, folder: string, options: { readonly template: string }): Promise<number> {
  const template = parts.templates.find((candidate) => candidate.name === options.template)
  if (template === undefined) throw new UsageError(`there is no template ${options.template}`)
  const present = await readdir(folder).catch(() => [])
  if (present.length > 0) throw new UsageError(`${folder} is not empty`, 'choose another folder; nothing was written')
  await mkdir(folder, { recursive: true })
  await cp(fileURLToPath(template.folder), folder, { recursive: true, errorOnExist: true, force: false })
  writeOut(`${folder}: written from the template ${template.name}`)
  writeOut(`next: gantry check ${folder}\n      gantry run ${folder}`)
  return 0
}
