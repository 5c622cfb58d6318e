/** Checked model → plan: what targets compile. Pure. */
import { createHash } from 'node:crypto'
import type { Model } from '../model/model.ts'
import { hashOf } from './canonical.ts'
import { remembered } from './memo.ts'

/** A model that has been merged and checked. `id` changes exactly when the content does. */
export interface Plan {
  readonly id: string
  readonly model: Model
}

/** 16 characters of base64url; each object is hashed once in its life, so one changed route of ten thousand costs one hash. */
export const planOf: (model: Model) => Plan = remembered((model) => {
  const hash = createHash('sha256').update(String(model.version))
  for (const part of partsOf(model)) {
    hash.update(`;${part.length};`)
    for (const item of part) hash.update(hashOf(item))
  }
  return { id: hash.digest('base64url').slice(0, 16), model }
})

function partsOf(model: Model): readonly (readonly object[])[] {
  const { listeners, routes, streams, backends, endpoints, certificates, consumers, credentials } = model
  return [listeners, routes, streams, backends, endpoints, certificates, consumers, credentials]
}
