/** The table of settings → commander options, and back to what was said. */
import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Command, Option } from 'commander'
import { parse } from 'yaml'
import { z } from 'zod'
import type { Diagnostic } from '../model/diagnostic.ts'
import { flagOf, settingsTable, settle, variableOf, type Settings } from '../runtime/settings.ts'

export function addSettings(command: Command): Command {
  for (const setting of settingsTable) {
    const flags = setting.argument === undefined ? flagOf(setting) : `${flagOf(setting)} <${setting.argument}>`
    const fallback = setting.default === undefined ? '' : ` (default: ${JSON.stringify(setting.default)})`
    command.addOption(new Option(flags, `${setting.summary}${fallback} [${variableOf(setting)}]`))
  }
  return command
}

/** What may stand behind a flag of the table, where that is a few words; undefined where it is not. */
export function settingChoices(flag: string): readonly string[] | undefined {
  const setting = settingsTable.find((one) => flagOf(one) === flag)
  if (setting === undefined) return undefined
  if (setting.schema instanceof z.ZodEnum) return setting.schema.options.map(String)
  return setting.argument === 'on|off' ? ['on', 'off'] : undefined
}

/** Flags of the command, GANTRY_* and the folder's gantry.yml, in that order. */
export function readSettings(
  command: Command,
  folder: string,
  environment: NodeJS.ProcessEnv,
): { readonly settings: Settings; readonly diagnostics: readonly Diagnostic[] } {
  const options: Readonly<Record<string, unknown>> = command.opts()
  const flags = Object.fromEntries(settingsTable.map((setting) => [setting.key, options[camelCase(setting.key)]]))
  const path = join(folder, 'gantry.yml')
  if (!existsSync(path)) return settle({ flags, environment })
  try {
    return settle({ flags, environment, file: parse(readFileSync(path, 'utf8')), fileName: 'gantry.yml' })
  } catch (error) {
    const settled = settle({ flags, environment })
    const broken: Diagnostic = {
      code: 'settings/unreadable',
      severity: 'error',
      message: `gantry.yml cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      origin: { source: 'gantry', file: 'gantry.yml' },
    }
    return { settings: settled.settings, diagnostics: [broken, ...settled.diagnostics] }
  }
}

function camelCase(key: string): string {
  return key.replace(/\.([a-z])/g, (_, letter: string) => letter.toUpperCase())
}
