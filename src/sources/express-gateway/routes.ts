/** apiEndpoints and pipelines → routes in the order in which Express Gateway tries them. Pure. */
import { METHODS } from 'node:http'
import type { Action, Condition, HostMatch, Match, PathMatch, PolicyUse, Route } from '../../model/model.ts'
import { sourceName, type Path } from './document.ts'
import { translateCondition } from './conditions.ts'
import {
  isMapping,
  listOf,
  textOf,
  type ApiEndpoint,
  type Item,
  type Mapping,
  type Pipeline,
  type Step,
} from './normalise.ts'
import { parsePathRegex, parsePattern, type Strip } from './pattern.ts'
import { translateAction } from './policies.ts'
import type { Proxies } from './proxy.ts'
import { nearestWord } from '../../lib/yaml/words.ts'
import { complain, type Context } from './report.ts'
import { policySchemas } from './schemas.ts'

export interface RoutesInput {
  readonly apiEndpoints: readonly ApiEndpoint[]
  readonly pipelines: readonly Pipeline[]
  /** The `policies` list: only these may stand in a pipeline. */
  readonly whitelist: ReadonlySet<string>
  readonly listeners: readonly string[]
  readonly proxies: Proxies
  readonly system: Mapping
  /** Plugins are configured, which may bring policies and conditions that are not known before they are loaded. */
  readonly plugins: boolean
  /** Policies of plugins that are built in: name in the whitelist → our policy. */
  readonly builtIn: Readonly<Record<string, string>>
}

export function translateRoutes(context: Context, input: RoutesInput): readonly Route[] {
  checkWhitelist(context, input)
  const partsOf = sharedParts(context, input)
  const pipelines = pipelineByEndpoint(context, input, partsOf)
  const routes: Route[] = []
  for (const group of groupsOf(input.apiEndpoints)) {
    const hosts = hostsOf(context, group)
    const restricted: Restricted[] = []
    for (const endpoint of group.endpoints) {
      routes.push(...endpointRoutes(context, input, endpoint, hosts, pipelines.get(endpoint.name), partsOf, restricted))
    }
    routes.push(...optionsRoutes(input, group, hosts, restricted, context))
  }
  return routes
}

// --- whitelist and pipelines -----------------------------------------------------------------------------------------

function checkWhitelist(context: Context, input: RoutesInput): void {
  const known = [...Object.keys(policySchemas), ...Object.keys(input.builtIn)]
  for (const [index, name] of [...input.whitelist].entries()) {
    if (known.includes(name) || input.plugins) continue
    const guess = nearestWord(name, known)
    complain(context, ['policies', index], {
      code: 'unknown-policy',
      severity: 'error',
      message: `Could not find policy ${name}, plugin providing it must be configured in system.config`,
      hint: guess === undefined ? `there are ${known.join(', ')}` : `did you mean ${guess}?`,
    })
  }
}

/** The pipeline that is defined last has the endpoint. All of them are checked, also those that nobody uses. */
function pipelineByEndpoint(context: Context, input: RoutesInput, partsOf: PartsOf): ReadonlyMap<string, Pipeline> {
  const names = new Set(input.apiEndpoints.map((endpoint) => endpoint.name))
  const byEndpoint = new Map<string, Pipeline>()
  for (const pipeline of input.pipelines) {
    const object = `pipeline ${pipeline.name}`
    for (const name of pipeline.apiEndpoints) {
      const before = byEndpoint.get(name)
      if (before !== undefined && before !== pipeline) {
        complain(
          context,
          pipeline.path,
          {
            code: 'endpoint-twice',
            severity: 'warning',
            message: `apiEndpoint ${name} is in pipeline ${before.name} and in pipeline ${pipeline.name}; the latter serves it`,
            hint: `take ${name} out of ${before.name}`,
          },
          object,
        )
      }
      if (!names.has(name)) {
        const guess = nearestWord(name, [...names])
        complain(
          context,
          pipeline.path,
          {
            code: 'unknown-api-endpoint',
            severity: 'warning',
            message: `${object} names the apiEndpoint ${name}, which does not exist`,
            hint: guess === undefined ? 'add it to apiEndpoints, or take it out' : `did you mean ${guess}?`,
          },
          object,
        )
      }
      byEndpoint.set(name, pipeline)
    }
    checkItems(context, input, pipeline)
    partsOf(pipeline, [], { kind: 'nothing' })
  }
  return byEndpoint
}

function checkItems(context: Context, input: RoutesInput, pipeline: Pipeline): void {
  const object = `pipeline ${pipeline.name}`
  for (const item of pipeline.items) {
    if (!input.whitelist.has(item.policy)) {
      const guess =
        policySchemas[item.policy] === undefined ? nearestWord(item.policy, [...input.whitelist]) : undefined
      complain(
        context,
        item.path,
        {
          code: 'policy-not-declared',
          severity: 'error',
          message: `${item.policy} policy not declared in the 'policies' gateway.config section`,
          hint: guess === undefined ? `add ${item.policy} to policies` : `did you mean ${guess}?`,
        },
        object,
      )
    }
    if (item.ignored.length > 0) {
      complain(
        context,
        item.path,
        {
          code: 'ignored-policy',
          severity: 'warning',
          message: `${object}: only ${item.policy} of this entry is used; ${item.ignored.join(', ')} will not run`,
          hint: 'give each policy an entry of its own, with a dash before it',
        },
        object,
      )
    }
    for (const step of item.steps) {
      if (step.strays.length === 0) continue
      complain(
        context,
        step.path,
        {
          code: 'stray-key',
          severity: 'warning',
          message: `${object}: ${item.policy} has ${step.strays.join(', ')} beside action; nobody reads that`,
          hint: 'put it under action',
        },
        object,
      )
    }
  }
}

interface Parts {
  readonly policies: readonly PolicyUse[]
  readonly action: Action
}

type PartsOf = (pipeline: Pipeline, scopes: readonly string[], strip: Strip) => Parts

/**
 * A pipeline is one thing however many endpoints it serves: its routes share policies and action, as they share its
 * middleware in Express Gateway, unless what the endpoint says goes into them.
 */
function sharedParts(context: Context, input: RoutesInput): PartsOf {
  const known = new Map<Pipeline, Map<string, Parts>>()
  return (pipeline, scopes, strip) => {
    let ofPipeline = known.get(pipeline)
    if (ofPipeline === undefined) known.set(pipeline, (ofPipeline = new Map()))
    const told = JSON.stringify(scopes)
    const key = `${told} ${JSON.stringify(strip)}`
    let parts = ofPipeline.get(told) ?? ofPipeline.get(key)
    if (parts !== undefined) return parts
    let stripped = false
    parts = pipelineParts(context, input, pipeline, scopes, () => {
      stripped = true
      return strip
    })
    ofPipeline.set(stripped ? key : told, parts)
    return parts
  }
}

function pipelineParts(
  context: Context,
  input: RoutesInput,
  pipeline: Pipeline,
  scopes: readonly string[],
  strip: () => Strip,
): Parts {
  const object = `pipeline ${pipeline.name}`
  const policies: PolicyUse[] = []
  let end: Action | undefined
  for (const item of pipeline.items) {
    for (const step of item.steps) {
      const when = conditionOf(context, input, item, step, object)
      if (when === 'wrong') continue
      const action = rewriteAction(input, item, step)
      const piece = translateAction(context, item.policy, action, {
        object,
        path: step.path,
        scopes,
        strip,
        proxies: input.proxies,
        system: input.system,
        builtIn: input.builtIn,
      })
      // behind the end nothing runs, but what is wrong there is said all the same
      if (piece === undefined || end !== undefined) continue
      if (when !== undefined) {
        policies.push(...conditional(piece.uses, piece.end, when, context, step, object))
        continue
      }
      policies.push(...piece.uses)
      if (piece.end === undefined) continue
      reportUnreachable(context, pipeline, item, step)
      end = piece.end
    }
  }
  return { policies, action: end ?? { kind: 'next' } }
}

/** A step that ends the route only sometimes stands among the policies; what belongs to it goes with its backends. */
function conditional(
  uses: readonly PolicyUse[],
  end: Action | undefined,
  when: Condition,
  context: Context,
  step: Step,
  object: string,
): readonly PolicyUse[] {
  const origin = context.gateway.origin(step.path, object)
  if (end === undefined || end.kind === 'next') return uses.map((use) => ({ ...use, when }))
  if (end.kind === 'reply') {
    const { kind: _kind, ...config } = end
    return [{ policy: 'reply', config, when, origin }]
  }
  const backends = end.forward.backends.map((backend) => ({
    ...backend,
    policies: [...uses, ...(backend.policies ?? [])],
  }))
  return [{ policy: 'forward', config: { ...end.forward, backends }, when, origin }]
}

function conditionOf(
  context: Context,
  input: RoutesInput,
  item: Item,
  step: Step,
  object: string,
): Condition | undefined | 'wrong' {
  if (step.condition === undefined) return undefined
  if (input.builtIn[item.policy] === 'rewrite' && rewriteMatch(step.condition) !== undefined) return undefined
  const rewrite = Object.values(input.builtIn).includes('rewrite')
  const options = { object, plugins: input.plugins, rewrite }
  const condition = translateCondition(context, step.condition, [...step.path, 'condition'], options)
  if (condition === undefined) return 'wrong'
  return condition.kind === 'constant' && condition.value ? undefined : condition
}

/** The rewrite plugin keeps its pattern in the condition and its replacement in the action; the policy wants both. */
function rewriteAction(input: RoutesInput, item: Item, step: Step): Mapping {
  if (input.builtIn[item.policy] !== 'rewrite') return step.action
  const match = step.condition === undefined ? undefined : rewriteMatch(step.condition)
  const redirect = step.action['redirect']
  return {
    match: match ?? { kind: 'regexp', source: '^.*$' },
    to: textOf(step.action['rewrite'], ''),
    ...(redirect === undefined || redirect === 0 ? {} : { redirect: Number(redirect) }),
  }
}

function rewriteMatch(condition: Mapping): Mapping | undefined {
  const { name, pattern } = condition
  if (name === 'pathmatch') return { kind: 'path', pattern: String(pattern) }
  if (name === 'regexpmatch') return { kind: 'regexp', source: String(pattern) }
  return undefined
}

function reportUnreachable(context: Context, pipeline: Pipeline, last: Item, lastStep: Step): void {
  const later = pipeline.items.slice(pipeline.items.indexOf(last) + 1).map((item) => item.policy)
  const steps = last.steps.slice(last.steps.indexOf(lastStep) + 1)
  const unreached = [...steps.map(() => last.policy), ...later]
  if (unreached.length === 0) return
  complain(
    context,
    lastStep.path,
    {
      code: 'unreachable',
      severity: 'warning',
      message: `pipeline ${pipeline.name}: ${last.policy} always answers; ${unreached.join(', ')} behind it never run`,
      hint: `move ${last.policy} to the end, or give it a condition`,
    },
    `pipeline ${pipeline.name}`,
  )
}

// --- hosts -----------------------------------------------------------------------------------------------------------

interface Group {
  readonly key: string
  readonly endpoints: readonly ApiEndpoint[]
}

/** By host, in order of first appearance: Express Gateway tries one host's endpoints after the other's. */
function groupsOf(endpoints: readonly ApiEndpoint[]): readonly Group[] {
  const groups = new Map<string, ApiEndpoint[]>()
  for (const endpoint of endpoints) {
    const { hostRegex, host } = endpoint.record
    const key =
      typeof hostRegex === 'string' ? `regexp ${hostRegex}` : typeof host === 'string' && host !== '' ? host : '*'
    const members = groups.get(key)
    if (members === undefined) groups.set(key, [endpoint])
    else members.push(endpoint)
  }
  return [...groups].map(([key, members]) => ({ key, endpoints: members }))
}

function hostsOf(context: Context, group: Group): readonly HostMatch[] {
  if (group.key === '*') return []
  const [first] = group.endpoints
  const regexp = first?.record['hostRegex']
  if (typeof regexp === 'string') {
    const source = `${regexp.startsWith('^') ? '' : '^'}${regexp}${regexp.endsWith('$') ? '' : '$'}`
    if (first !== undefined) checkRegExp(context, source, [...first.path, 'hostRegex'], first.name)
    return [{ kind: 'regexp', source }]
  }
  const host = group.key.toLowerCase()
  if (!host.includes('*')) return [{ kind: 'exact', name: host }]
  if (host.startsWith('*.') && !host.slice(1).includes('*')) {
    return [{ kind: 'suffix', suffix: host.slice(1), labels: 'one' }]
  }
  const source = host.replace(/[\\^$.+?()[\]{}|]/g, '\\$&').replaceAll('*', '[^.]+')
  return [{ kind: 'regexp', source: `^${source}$` }]
}

function checkRegExp(context: Context, source: string, path: Path, name: string): void {
  try {
    new RegExp(source)
  } catch (error) {
    const reason = error instanceof Error ? error.message : String(error)
    const message = `apiEndpoint ${name}: ${reason}`
    complain(context, path, { code: 'regexp', severity: 'error', message, hint: 'a JavaScript regular expression' })
  }
}

// --- routes ----------------------------------------------------------------------------------------------------------

interface Restricted {
  readonly path: PathMatch | undefined
  readonly methods: readonly string[]
  readonly endpoint: ApiEndpoint
}

function endpointRoutes(
  context: Context,
  input: RoutesInput,
  endpoint: ApiEndpoint,
  hosts: readonly HostMatch[],
  pipeline: Pipeline | undefined,
  partsOf: PartsOf,
  restricted: Restricted[],
): readonly Route[] {
  const { record } = endpoint
  const object = `apiEndpoint ${endpoint.name}`
  const methods = methodsOf(context, endpoint)
  const patterns = patternsOf(record)
  const scopes = record.scopes.map((scope) => (isMapping(scope) ? String(scope['scope']) : String(scope)))
  if (pipeline === undefined) {
    complain(
      context,
      endpoint.path,
      {
        code: 'no-pipeline',
        severity: 'warning',
        message: `${object} is in no pipeline; its requests get 404`,
        hint: `add ${endpoint.name} to the apiEndpoints of a pipeline`,
      },
      object,
    )
  }
  return patterns.flatMap(({ text, kind, path }, index) => {
    const pattern = kind === 'regexp' ? parsePathRegex(text) : parsePattern(text)
    if (pattern.kind === 'bad') {
      const message = `${object}: ${JSON.stringify(text)} is not a pattern: ${pattern.reason}`
      complain(
        context,
        [...endpoint.path, ...path],
        { code: 'pattern', severity: 'error', message, hint: 'as /users/:id or /files/*' },
        object,
      )
      return []
    }
    if (methods !== undefined && !methods.includes('OPTIONS')) {
      restricted.push({ path: pattern.path, methods, endpoint })
    }
    const match: Match = {
      ...(pattern.path === undefined ? {} : { path: pattern.path }),
      ...(methods === undefined ? {} : { methods }),
    }
    const parts: Parts =
      pipeline === undefined
        ? {
            policies: [],
            action: { kind: 'reply', status: 404, body: 'Not Found', contentType: 'text/plain; charset=utf-8' },
          }
        : partsOf(pipeline, scopes, pattern.strip)
    const suffix = `${endpoint.position === undefined ? '' : `/${endpoint.position}`}${patterns.length === 1 ? '' : `/${index}`}`
    const route: Route = {
      id: `${sourceName}/${endpoint.name}${suffix}`,
      listeners: input.listeners,
      ...(hosts.length === 0 ? {} : { hosts }),
      match,
      ...parts,
      label: endpoint.name,
      annotations: {
        apiEndpoint: record,
        ...(pipeline === undefined ? {} : { pipeline: pipeline.name }),
        pattern: text,
      },
      origin: context.gateway.origin(endpoint.path, object),
    }
    return [route]
  })
}

interface WrittenPattern {
  readonly text: string
  readonly kind: 'pattern' | 'regexp'
  readonly path: Path
}

function patternsOf(record: Mapping): readonly WrittenPattern[] {
  const { pathRegex } = record
  if (typeof pathRegex === 'string') return [{ text: pathRegex, kind: 'regexp', path: ['pathRegex'] }]
  const key = record['paths'] === undefined ? 'path' : 'paths'
  const written = record[key]
  const list = listOf(written).map(String)
  if (list.length === 0) return [{ text: '*', kind: 'pattern', path: [] }]
  return list.map((text, index) => ({ text, kind: 'pattern', path: Array.isArray(written) ? [key, index] : [key] }))
}

/** Undefined: all of them. GET serves HEAD too. */
function methodsOf(context: Context, endpoint: ApiEndpoint): readonly string[] | undefined {
  const given = endpoint.record['methods']
  if (given === undefined || given === null || given === '*') return undefined
  const words = (typeof given === 'string' ? given.split(',') : listOf(given).map(String))
    .map((word) => word.trim().toUpperCase())
    .filter((word) => word !== '')
  if (words.includes('*')) return undefined
  const methods = new Set<string>()
  for (const word of words) {
    if (!METHODS.includes(word)) {
      const guess = nearestWord(word, METHODS)
      complain(context, [...endpoint.path, 'methods'], {
        code: 'method',
        severity: 'error',
        message: `apiEndpoint ${endpoint.name}: ${word} is not an HTTP method`,
        hint: guess === undefined ? 'as GET, POST' : `did you mean ${guess}?`,
      })
      continue
    }
    methods.add(word)
    if (word === 'GET') methods.add('HEAD')
  }
  return [...methods]
}

/**
 * OPTIONS of a path that has routes for other methods only: 200 with their union, over all routes of the host that take
 * the path. Where paths may overlap, each route's methods are collected on the way and told at the end.
 */
function optionsRoutes(
  input: RoutesInput,
  group: Group,
  hosts: readonly HostMatch[],
  restricted: readonly Restricted[],
  context: Context,
): readonly Route[] {
  const byPath = new Map<string, { path: PathMatch | undefined; methods: Set<string>; endpoint: ApiEndpoint }>()
  for (const { path, methods, endpoint } of restricted) {
    const key = JSON.stringify(path ?? null)
    const entry = byPath.get(key) ?? { path, methods: new Set<string>(), endpoint }
    for (const method of methods) entry.methods.add(method)
    byPath.set(key, entry)
  }
  if (byPath.size === 0) return []
  const apart = byPath.size === 1 || [...byPath.values()].every(({ path }) => path?.kind === 'exact')
  const key = group.key === '*' ? '' : ` ${group.key}`
  const make = (
    name: string,
    path: PathMatch | undefined,
    config: { readonly methods: readonly string[]; readonly then: 'collect' | 'answer' },
    endpoint: ApiEndpoint,
  ): Route => {
    const origin = context.gateway.origin(endpoint.path, `apiEndpoint ${endpoint.name}`)
    return {
      id: `${sourceName}/options${key}/${name}`,
      listeners: input.listeners,
      ...(hosts.length === 0 ? {} : { hosts }),
      match: { ...(path === undefined ? {} : { path }), methods: ['OPTIONS'] },
      policies: [{ policy: 'allow-options', config, origin }],
      action: { kind: 'next' },
      label: endpoint.name,
      annotations: { apiEndpoint: endpoint.record },
      origin,
    }
  }
  const routes = [...byPath.values()].map(({ path, methods, endpoint }, index) =>
    // oxlint-disable-next-line unicorn/no-thenable -- a key of the policy's configuration; nobody awaits it
    make(String(index), path, { methods: [...methods], then: apart ? 'answer' : 'collect' }, endpoint),
  )
  const [first] = restricted
  if (!apart && first !== undefined)
    // oxlint-disable-next-line unicorn/no-thenable -- as above
    routes.push(make('answer', undefined, { methods: [], then: 'answer' }, first.endpoint))
  return routes
}
