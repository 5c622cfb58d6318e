/** CEL rule of a definition + value → does it hold. Compiled once; the functions are those of a Kubernetes API server. */
import { isIP } from 'node:net'
import { CelScalar, celEnv, celFunc, celMethod, isCelError, listType, parse, plan } from '@bufbuild/cel'
import type { CelInput } from '@bufbuild/cel'
import { strings } from '@bufbuild/cel/ext'

export type RuleResult = 'holds' | 'broken' | { readonly error: string }

/** A rule that fails to evaluate refuses the object, as the API server does. */
export function evaluateRule(rule: string, self: unknown): RuleResult {
  let program = programs.get(rule)
  if (program === undefined) {
    program = compileRule(rule)
    programs.set(rule, program)
  }
  const result = program({ self: toCel(self), format: 'format' })
  if (isCelError(result)) return { error: result.message }
  return result === true ? 'holds' : 'broken'
}

/** Transition rules speak of the object before; there is none in a file. */
export function isTransitionRule(rule: string): boolean {
  return /\boldSelf\b/.test(rule)
}

/** The rule in words for the shapes that occur most; else the rule itself. */
export function explainRule(rule: string): string {
  const text = rule.replace(/\s+/g, ' ').trim()
  const member = /^!\(has\(self\.(\w+)\) && self\.type != '(\w+)'\)$/.exec(text)
  if (member) return `${member[1]} belongs to type ${member[2]} only`
  const missing = /^!\(!has\(self\.(\w+)\) && self\.type == '(\w+)'\)$/.exec(text)
  if (missing) return `type ${missing[2]} needs ${missing[1]}`
  const once = /^self\.filter\(f, f\.type == '(\w+)'\)\.size\(\) <= 1$/.exec(text)
  if (once) return `${once[1]} may stand here once`
  const part =
    /^\(self\.type in \['Exact','PathPrefix'\]\) \? !self\.value\.(contains|endsWith)\('([^']+)'\) : true$/.exec(text)
  if (part)
    return `a path of type Exact or PathPrefix may not ${part[1] === 'contains' ? 'contain' : 'end in'} ${part[2]}`
  return wording.find(([start]) => text.startsWith(start))?.[1] ?? `it must hold that ${text}`
}

const wording: readonly (readonly [start: string, words: string])[] = [
  ["(size(self.group) == 0 && self.kind == 'Service') ?", 'a reference to a Service needs a port'],
  ['self.all(p1, self.exists_one(p2', 'a parent that is named twice needs different sectionNames'],
  ['self.all(p1, self.all(p2', 'a parent that is named twice needs a sectionName each time'],
  ['self.all(l1, self.exists_one(l2, l1.name == l2.name))', 'listener names must differ'],
  ['self.all(l1, self.exists_one(l2, l1.port == l2.port', 'listeners must differ in port, protocol or hostname'],
  ["self.all(l, l.protocol in ['HTTP', 'TCP', 'UDP'] ?", 'tls does not go with protocol HTTP, TCP or UDP'],
  ["self.all(l, l.protocol in ['TCP', 'UDP'] ?", 'hostname does not go with protocol TCP or UDP'],
  ["self.all(l, (l.protocol == 'TLS'", 'protocol TLS needs tls.mode'],
  ["self.all(l, (l.protocol == 'HTTPS'", 'protocol HTTPS goes with tls.mode Terminate only'],
  ["self.mode == 'Terminate' ? size(self.certificateRefs)", 'mode Terminate needs certificateRefs or options'],
  [
    "(self.type in ['Exact','PathPrefix']) ? self.value.startsWith('/')",
    'a path of type Exact or PathPrefix starts with /',
  ],
  [
    "(self.type in ['Exact','PathPrefix']) ? self.value.matches(",
    'the path has characters that must be percent-encoded',
  ],
  ["!(self.exists(f, f.type == 'RequestRedirect')", 'RequestRedirect and URLRewrite cannot stand together'],
  ['(has(self.backendRefs) && size(self.backendRefs) > 0) ?', 'RequestRedirect and backendRefs cannot stand together'],
  [
    '(has(self.filters) && self.filters.exists_one',
    'replacePrefixMatch needs exactly one match of type PathPrefix in the rule',
  ],
  [
    '(has(self.backendRefs) && self.backendRefs.exists_one',
    'replacePrefixMatch needs exactly one match of type PathPrefix in the rule',
  ],
  ['!(has(self.request) && has(self.backendRequest)', 'backendRequest may not be longer than request'],
  ['self.numerator <= self.denominator', 'numerator may not be larger than denominator'],
  ['!(has(self.percent) && has(self.fraction))', 'percent and fraction cannot stand together'],
  ["!('*' in self && self.size() > 1)", '* stands alone'],
  ['self.all(l1, !has(l1.name) || self.exists_one', 'rule names must differ'],
  ['self == oldSelf', 'it cannot be changed'],
]

const { STRING, BOOL, DYN } = CelScalar
const formats: Readonly<Record<string, RegExp>> = {
  qualifiedName:
    /^([a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*\/)?([A-Za-z0-9]([-A-Za-z0-9_.]{0,61}[A-Za-z0-9])?)$/,
  dns1123Subdomain: /^(?=.{1,253}$)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$/,
}

const environment = celEnv({
  variables: { self: DYN, format: DYN },
  funcs: [
    ...strings,
    celFunc('isIP', [STRING], BOOL, (text) => isIP(text) !== 0),
    // format.qualifiedName().validate(x).hasValue(): the named format is a string here, its verdict a list of faults
    celMethod('qualifiedName', STRING, [], STRING, () => 'qualifiedName'),
    celMethod('dns1123Subdomain', STRING, [], STRING, () => 'dns1123Subdomain'),
    celMethod('validate', STRING, [STRING], listType(STRING), function (text) {
      return formats[this]?.test(text) === true ? [] : [`not a ${this}`]
    }),
    celMethod('hasValue', listType(STRING), [], BOOL, function () {
      return this.size > 0
    }),
  ],
})

const compileRule = (rule: string) => plan(environment, parse(rule))
const programs = new Map<string, ReturnType<typeof compileRule>>()

/** Objects are maps in CEL. Converted once for each object, since rules overlap. */
function toCel(value: unknown): CelInput {
  if (typeof value !== 'object' || value === null) return value as CelInput
  const known = converted.get(value)
  if (known !== undefined) return known
  const result: CelInput = Array.isArray(value)
    ? value.map(toCel)
    : new Map(Object.entries(value).map(([name, each]) => [name, toCel(each)]))
  converted.set(value, result)
  return result
}

const converted = new WeakMap<object, CelInput>()
