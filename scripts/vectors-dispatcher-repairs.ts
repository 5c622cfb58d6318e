/** Recorded behaviour that the specification calls a defect → exactly what is there instead, and what is told about it. Pure. */

/** What a host shows to clients. */
export interface Shown {
  readonly protection: 'plain' | 'tls' | 'mtls'
  readonly fallback: string
  /** By place. */
  readonly paths: Readonly<Record<string, ShownPath>>
}

export interface ShownPath {
  /** `address weight`, sorted; `-` where no weight is said. */
  readonly servers: readonly string[]
  readonly target: string
  readonly key: string
  /** How its servers are checked: kind, path, port, milliseconds and counts. Absent: not at all. */
  readonly check?: string
}

export type Hosts = Readonly<Record<string, Shown>>

export interface Repair {
  readonly why: string
  /** From what was recorded (nothing where the original crashed), to what must be shown. */
  readonly shown: (recorded: Hosts) => Hosts
  /** Codes of what the objects are told, in order of the alphabet. */
  readonly told: readonly string[]
}

const same = (recorded: Hosts): Hosts => recorded
const nothing = (): Hosts => ({})
const bare = { protection: 'plain', fallback: '404', paths: {} } as const
const alone =
  (...hosts: readonly string[]) =>
  (recorded: Hosts): Hosts =>
    Object.fromEntries(Object.entries(recorded).filter(([name]) => hosts.includes(name)))
/** The host without these places. */
const without =
  (host: string, ...places: readonly string[]) =>
  (recorded: Hosts): Hosts => ({
    ...recorded,
    [host]: {
      ...(recorded[host] ?? bare),
      paths: Object.fromEntries(
        Object.entries(recorded[host]?.paths ?? {}).filter(([place]) => !places.includes(place)),
      ),
    },
  })
/** The place with other servers, or another check. */
const changed =
  (host: string, place: string, path: Partial<ShownPath>) =>
  (recorded: Hosts): Hosts => {
    const shown: Shown = recorded[host] ?? bare
    const before = shown.paths[place] ?? { servers: [], target: '', key: '' }
    return { ...recorded, [host]: { ...shown, paths: { ...shown.paths, [place]: { ...before, ...path } } } }
  }

const host = 'api.ex.net'

export const repairs: Readonly<Record<string, Repair>> = {
  '006': {
    why: '/%41 is /A: its Pod offers it twice',
    shown: changed(host, '/A', { servers: ['10.1.0.1:3000 -', '10.1.0.1:3000 -'] }),
    told: [],
  },
  '015': {
    why: 'a targetPath for an expression, which nginx refused',
    shown: without(host, '~ ^/re'),
    told: ['pods/target-path'],
  },
  '023': { why: 'a weight that nginx refused', shown: without(host, '/a'), told: ['pods/weight'] },
  '025': { why: 'port 443 is written', shown: changed(host, '/tls', { servers: ['10.1.0.1:443 -'] }), told: [] },
  '055': { why: 'braces broke the whole file', shown: () => ({ [host]: bare }), told: ['pods/base-path'] },
  '057': { why: 'blanks broke the whole file', shown: without(host, '/foo bar baz'), told: ['pods/base-path'] },
  '059': { why: 'a named place that no request can ask for', shown: same, told: ['pods/base-path'] },
  '060': { why: 'no slash, so that no request can match', shown: same, told: ['pods/base-path'] },
  '062': {
    why: '^~ / and the fallback were the same place',
    shown: (recorded) => ({ [host]: { ...(recorded[host] ?? bare), fallback: 'none' } }),
    told: [],
  },
  '064': { why: 'a semicolon injected', shown: () => ({ [host]: bare }), told: ['pods/base-path'] },
  '065': { why: 'a quote', shown: without(host, '/a"b'), told: ['pods/base-path'] },
  '067': { why: 'a line break', shown: () => ({ [host]: bare }), told: ['pods/base-path'] },
  '070': { why: 'a Pod that is not ready gets nothing', shown: changed(host, '/a', { servers: [] }), told: [] },
  '072': { why: 'IPv6 in brackets', shown: changed(host, '/a', { servers: ['[fd00::1]:3000 -'] }), told: [] },
  '075': {
    why: 'Pods are known by namespace and name',
    shown: changed('a.com', '/x', { servers: ['10.0.0.1:3000 -'] }),
    told: [],
  },
  '086': {
    why: 'a wrong option leaves its host out, and names are still looked at',
    shown: alone('a.com'),
    told: ['pods/host-name', 'pods/host-options', 'pods/host-options'],
  },
  '087': {
    why: 'a wrong option let an injection through',
    shown: nothing,
    told: ['pods/host-name', 'pods/host-options'],
  },
  '093': {
    why: 'upstreams are known by host and path apart; a path without a slash matches nothing',
    shown: changed('a.comb', '/x', { servers: ['10.0.0.2:3000 -'] }),
    told: ['pods/base-path'],
  },
  '106': {
    why: 'garbage for a certificate broke the whole file',
    shown: nothing,
    told: ['pods/host-without-protection'],
  },
  '107': { why: 'crash', shown: nothing, told: ['pods/host-options'] },
  '108': { why: 'crash', shown: nothing, told: ['pods/host-options'] },
  '109': { why: 'crash', shown: nothing, told: ['pods/host-options'] },
  '110': { why: 'crash', shown: nothing, told: ['pods/host-options'] },
  '113': { why: 'crash', shown: nothing, told: ['pods/host-options'] },
  '120': {
    why: 'a TCP check stood in a comment',
    shown: changed(host, '/users', { check: 'tcp port=3000 interval=10000 timeout=2000 rise=1 fall=3' }),
    told: [],
  },
  '121': {
    why: 'a check stood in a comment; what a command would say is asked of the port',
    shown: changed(host, '/users', { check: 'tcp port=3000 interval=5000 timeout=1000 rise=1 fall=3' }),
    told: [],
  },
  '122': {
    why: 'the name of a port is its number',
    shown: changed(host, '/a', { check: 'http /status port=3000 interval=10000 timeout=5000 rise=2 fall=3' }),
    told: [],
  },
  '124': {
    why: 'what is not said has the defaults of Kubernetes',
    shown: changed(host, '/users', { check: 'http / port=3000 interval=10000 timeout=1000 rise=1 fall=3' }),
    told: [],
  },
  '130': {
    why: 'a quote in the path of a probe broke the whole file',
    shown: () => ({
      [host]: {
        ...bare,
        paths: {
          '/users': {
            servers: ['10.1.0.1:3000 -'],
            target: '',
            key: '',
            check: 'http /a%22b port=3000 interval=10000 timeout=5000 rise=2 fall=3',
          },
        },
      },
    }),
    told: [],
  },
  '137': {
    why: 'an unusable fallback answers 503',
    shown: (recorded) => ({ [host]: { ...(recorded[host] ?? bare), fallback: '503' } }),
    told: ['pods/environment'],
  },
}

/** Refused at the start, by the variable that is wrong. */
export const refusedAtStart: Readonly<Record<string, string>> = {
  '116': 'SSL_PORT',
  '143': 'NGINX_MAX_CLIENT_BODY_SIZE',
}

/**
 * Further numbers of the same set, whose files are kept elsewhere: what is shown of them is what was recorded or less, and
 * who gets less is told.
 */
export const lessened: Readonly<Record<string, string>> = {
  '014': 'nginx refused it',
  '026': 'nginx refused it',
  '058': 'hostile path',
  '061': 'nginx refused it',
  '071': 'a Pod that ends gets nothing',
  '080': 'nobody gets less protection than asked for',
  '091': 'case makes no difference',
  '094': 'upstreams do not collide',
  '105': 'garbage leaves its host out',
}

/** Why this is not what was recorded or less; none: it is. `told`: how many things are said about objects. */
export function whyNotLess(actual: Hosts, recorded: Hosts, told: number): readonly string[] {
  const failures: string[] = []
  const before = new Map(Object.entries(recorded).map(([name, shown]) => [name.toLowerCase(), shown]))
  let lost = [...before.keys()].filter((name) => actual[name] === undefined)
  for (const [name, shown] of Object.entries(actual)) {
    if (/[^a-z0-9.-]/.test(name)) failures.push(`the host ${JSON.stringify(name)} is served`)
    const was = before.get(name)
    if (was === undefined) {
      // where the original wrote nothing that could be read, there is nothing to compare with
      if (before.size > 0) failures.push(`the host ${name} was never there`)
      continue
    }
    for (const [place, path] of Object.entries(shown.paths)) {
      const wasPath = was.paths[place]
      if (wasPath === undefined) failures.push(`${name}${place} was never there`)
      else if (wasPath.key !== path.key) failures.push(`${name}${place} has another key`)
    }
    lost = [...lost, ...Object.keys(was.paths).filter((place) => shown.paths[place] === undefined)]
  }
  if (lost.length > 0 && told === 0) failures.push(`${lost.join()} is left out without a word`)
  return failures
}
