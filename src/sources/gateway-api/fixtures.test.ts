/** fixtures/x.yaml → x.model and x.status, as they are written there. A first line `# cluster …` reads it as from a cluster, with `old` one that has no ClusterTrustBundles. */
import { readFileSync, readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { placeOf as placeOfOrigin } from '../../model/diagnostic.ts'
import { printModel } from '../../model/text.ts'
import { createFileReader } from './files.ts'
import { printStatuses } from './print-statuses.ts'
import type { World } from './resources.ts'
import { createTranslator } from './translate.ts'

const folder = join(import.meta.dirname, 'fixtures')

describe('fixtures', () => {
  for (const file of readdirSync(folder).filter((each) => each.endsWith('.yaml'))) {
    test(file, async () => {
      const text = readFileSync(join(folder, file), 'utf8')
      const read = createFileReader({ controllerName: 'gantry.dev/gateway-controller', address: '127.0.0.1' })
      const world: World = read(new Map([[file, text]]), new Map())
      const { model, statuses, diagnostics } = createTranslator()({ ...world, place: placeOf(text, world.place) })
      const name = file.replace(/\.yaml$/, '')
      await expect(printModel(model, { secrets: 'redact' })).toMatchFileSnapshot(join(folder, `${name}.model`))
      const told = `${printStatuses(statuses)}${diagnostics.map((each) => `${each.severity} ${each.origin === undefined ? '' : placeOfOrigin(each.origin)} ${each.code}: ${each.message}\n`).join('')}`
      await expect(told).toMatchFileSnapshot(join(folder, `${name}.status`))
    })
  }
})

function placeOf(text: string, otherwise: World['place']): World['place'] {
  const found = /^# cluster (v[\d.]+) (standard|experimental)( old)?/.exec(text)
  return found === null
    ? otherwise
    : {
        kind: 'cluster',
        bundleVersion: found[1]!,
        channel: found[2] as 'standard' | 'experimental',
        trustBundles: found[3] === undefined,
      }
}
