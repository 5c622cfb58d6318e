/** Configuration files → which other files they name. Pure. */
import { parseFile } from './document.ts'
import { isMapping, type Mapping } from './normalise.ts'
import type { World } from './world.ts'

/** Keys whose text is the name of a file, wherever they stand in gateway.config or system.config. */
const fileKeys = new Set(['secretOrPublicKeyFile', 'secretOrPrivateKeyFile', 'keyFile', 'certFile', 'caFile'])

/** As written, each once, in order. */
export function referencedFiles(world: Pick<World, 'gateway' | 'system' | 'environment'>): readonly string[] {
  const names = new Set<string>()
  for (const file of [world.gateway, world.system]) {
    if (file.kind !== 'text') continue
    const { value } = parseFile(file, world.environment)
    collect(value, names)
    if (isMapping(value)) collectTls(value, names)
  }
  return [...names]
}

function collect(value: unknown, names: Set<string>): void {
  if (Array.isArray(value)) for (const part of value) collect(part, names)
  if (!isMapping(value)) return
  for (const [key, part] of Object.entries(value)) {
    if (fileKeys.has(key) && typeof part === 'string') names.add(part)
    else collect(part, names)
  }
}

function collectTls(config: Mapping, names: Set<string>): void {
  const https = config['https']
  if (!isMapping(https) || !isMapping(https['tls'])) return
  for (const entry of Object.values(https['tls'])) {
    if (!isMapping(entry)) continue
    for (const part of [
      entry['key'],
      entry['cert'],
      ...(Array.isArray(entry['ca']) ? (entry['ca'] as unknown[]) : []),
    ]) {
      if (typeof part === 'string') names.add(part)
    }
  }
}
