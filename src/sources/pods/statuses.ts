/** Diagnostics → what each Namespace and Pod is told about itself. Pure. */
import type { Diagnostic } from '../../model/diagnostic.ts'
import { originOf, problemsAnnotationOf, type NamespaceObject, type PodObject, type World } from './world.ts'

export interface Status {
  readonly kind: 'Namespace' | 'Pod'
  /** '' for a Namespace. */
  readonly namespace: string
  readonly name: string
  readonly uid: string | undefined
  /** What is wrong with it, sentences. */
  readonly problems: readonly { readonly code: string; readonly message: string; readonly hint?: string }[]
  /** Where it is told. */
  readonly annotation: string
  /** What the object says about itself now, as we wrote it. */
  readonly told: string | undefined
}

/** Of the objects that have problems, and of those that still say they had. */
export function statusesOf(world: World, diagnostics: readonly Diagnostic[]): readonly Status[] {
  const problems = new Map<string, Diagnostic[]>()
  for (const diagnostic of diagnostics) {
    const object = diagnostic.origin?.object
    if (object === undefined || diagnostic.severity === 'info') continue
    const list = problems.get(object)
    if (list === undefined) problems.set(object, [diagnostic])
    else list.push(diagnostic)
  }
  if (world.configured.kind === 'refused') return []
  const annotation = problemsAnnotationOf(world.configured.configuration)
  const statuses: Status[] = []
  for (const object of [...world.namespaces, ...world.pods]) {
    const own = problems.get(originOf(object).object ?? '') ?? []
    if (own.length > 0 || object.told !== undefined) statuses.push(statusOf(object, annotation, own))
  }
  return statuses
}

function statusOf(object: NamespaceObject | PodObject, annotation: string, diagnostics: readonly Diagnostic[]): Status {
  return {
    kind: object.kind,
    namespace: object.kind === 'Pod' ? object.namespace : '',
    name: object.name,
    uid: object.uid,
    problems: diagnostics.map(({ code, message, hint }) => ({
      code,
      message,
      ...(hint === undefined ? {} : { hint }),
    })),
    annotation,
    told: object.told,
  }
}
