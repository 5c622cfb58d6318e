/** Checked model → plan: what targets compile. Pure. */
import type { Model } from '../model/model.ts'

/** A model that has been merged and checked. `id` changes exactly when the content does. */
export interface Plan {
  readonly id: string
  readonly model: Model
}
