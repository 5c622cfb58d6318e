/** Object and field → where that was written. The place travels with the object's identity, not inside it. */
import type { Diagnostic, Origin, Severity } from '../../model/diagnostic.ts'
import type { AnyResource } from './resources.ts'

export type Located = Pick<AnyResource, 'kind' | 'metadata'>

/** Field path as printPath writes it (`spec.rules[0]`) → file, line and column; the nearest part above when it is not written. */
export type Locate = (field: string) => { readonly file: string; readonly line?: number; readonly column?: number }

const places = new WeakMap<object, Locate>()

/** Called by the reader, once for an object. */
export function placeObject(object: object, locate: Locate): void {
  places.set(object, locate)
}

export function originOf(object: Located, field?: string): Origin {
  const place = places.get(object)?.(field ?? '')
  return {
    source: 'gateway-api',
    object: objectName(object),
    ...(field === undefined ? {} : { field }),
    ...place,
  }
}

/** `HTTPRoute shop/cart` */
export function objectName({ kind, metadata }: Located): string {
  return `${kind} ${metadata.namespace === '' ? '' : `${metadata.namespace}/`}${metadata.name}`
}

/** A diagnostic of this source about a field of an object. */
export function diagnose(
  code: string,
  severity: Severity,
  object: Located,
  field: string | undefined,
  message: string,
  hint?: string,
): Diagnostic {
  const where = field === undefined ? objectName(object) : `${objectName(object)} ${field}`
  return {
    code: `gateway-api/${code}`,
    severity,
    message: `${where}: ${message}`,
    ...(hint === undefined ? {} : { hint }),
    origin: originOf(object, field),
  }
}

/** A diagnostic of this source about a place in a file. */
export function diagnoseAt(
  code: string,
  severity: Severity,
  message: string,
  origin: Omit<Origin, 'source'>,
  hint?: string,
): Diagnostic {
  return {
    code: `gateway-api/${code}`,
    severity,
    message,
    ...(hint === undefined ? {} : { hint }),
    origin: { source: 'gateway-api', ...origin },
  }
}
