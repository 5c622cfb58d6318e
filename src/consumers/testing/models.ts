/** The models that a new gateway begins with, as its files have them. For tests. */
import { readFileSync } from 'node:fs'
import type { ModelFiles } from '../models.ts'

export const exampleModels = {
  users: model('users'),
  applications: model('applications'),
  credentials: model('credentials'),
} as ModelFiles

function model(name: string): unknown {
  const file = new URL(`../../../examples/express-gateway/models/${name}.json`, import.meta.url)
  return JSON.parse(readFileSync(file, 'utf8'))
}
