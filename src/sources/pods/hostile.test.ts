/** Whatever tenants write → a text that nginx reads as we meant it, with every other tenant as before. */
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { parseConfiguration } from '../../lib/nginx/parse.ts'
import { prepare } from '../../pipeline/run.ts'
import { policies } from '../../policies/list.ts'
import { createTestServices } from '../../targets/engine/testing.ts'
import { compileNginx } from '../../targets/nginx/compile.ts'
import { readEnvironment } from './environment.ts'
import { readTexts } from './read-files.ts'
import { createTranslate } from './translate.ts'

const configured = readEnvironment({}, () => new Error('there is no file'))
const labels = { 'github.com/30x.dispatcher.routable': 'true' }

function objects(hosts: unknown, paths: unknown, key: string): readonly unknown[] {
  const pod = (namespace: string, name: string, text: string): unknown => ({
    kind: 'Pod',
    metadata: { namespace, name, labels, annotations: { 'github.com/30x.dispatcher.paths': text } },
    spec: { containers: [{ ports: [{ containerPort: 80 }] }] },
    status: { phase: 'Running', podIP: '10.0.0.1' },
  })
  const namespace = (name: string, text: string): unknown => ({
    kind: 'Namespace',
    metadata: { name, labels, annotations: { 'github.com/30x.dispatcher.hosts': text } },
  })
  return [
    namespace('good', '{"good.test":{}}'),
    pod('good', 'p', '[{"basePath":"/ok","containerPort":"80"}]'),
    namespace('hostile', typeof hosts === 'string' ? hosts : JSON.stringify(hosts)),
    pod('hostile', 'p', typeof paths === 'string' ? paths : JSON.stringify(paths)),
    { kind: 'Secret', metadata: { namespace: 'hostile', name: 'routing' }, data: { 'api-key': key } },
  ]
}

function compile(given: readonly unknown[]): {
  readonly text: string
  readonly files: readonly { readonly path: string }[]
} {
  const text = given.map((one) => JSON.stringify(one)).join('\n---\n')
  const { plan } = prepare([createTranslate()(readTexts([['all.yaml', text]], configured))])
  return compileNginx(plan, {
    policies,
    services: createTestServices(),
    folder: '/run',
    certificateFolder: '/ssl',
    ipv6: false,
  }).artifact
}

/** The server of a host, as nginx reads it. */
function serverOf(text: string, host: string): string {
  const http = parseConfiguration(text).find(({ words }) => words[0] === 'http')
  return JSON.stringify(
    http?.block?.filter(
      ({ words, block }) =>
        words[0] === 'server' && block?.some((one) => one.words[0] === 'server_name' && one.words[1] === host),
    ),
  )
}

const nasty = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 12 }),
  fc
    .array(
      fc.constantFrom(
        '/',
        '..',
        ';',
        '}',
        '{',
        '"',
        "'",
        '\\',
        '$host',
        '\n',
        '#',
        ' ',
        '~',
        '^',
        '=',
        '%2F',
        '%00',
        'a',
        'return 200',
        '(',
        '[',
        '\u2028',
        'é',
        '${x}',
      ),
      { maxLength: 8 },
    )
    .map((parts) => parts.join('')),
)

test('no annotation, no host and no key breaks or changes what others are served', { timeout: 120_000 }, () => {
  const good = serverOf(compile(objects({}, [], '')).text, 'good.test')
  expect(good).toContain('/ok')
  fc.assert(
    fc.property(nasty, nasty, nasty, fc.base64String(), (host, base, target, key) => {
      const paths = [
        { basePath: base, containerPort: '80', targetPath: target },
        { basePath: `/${base}`, containerPort: '80' },
        { basePath: `~ ${base}`, containerPort: '80' },
      ]
      const { text, files } = compile(objects({ [host]: {}, 'hostile.test': {} }, paths, key))
      expect(serverOf(text, 'good.test')).toBe(good)
      const names = [...text.matchAll(/server_name ([^;]*);/g)].map(([, name]) => name)
      for (const name of names) expect(name).toMatch(/^[a-z0-9.-]+$/)
      expect(files).toEqual([])
    }),
    { numRuns: 60 },
  )
})

test('text that is no JSON at all is a diagnostic', { timeout: 120_000 }, () => {
  fc.assert(
    fc.property(nasty, nasty, (hosts, paths) => {
      expect(serverOf(compile(objects(hosts, paths, '')).text, 'good.test')).toContain('/ok')
    }),
    { numRuns: 40 },
  )
})

test('of 1,000 Pods in 200 namespaces one that changes changes endpoints only', { timeout: 120_000 }, () => {
  const many: unknown[] = []
  for (let n = 0; n < 200; n++) {
    many.push({
      kind: 'Namespace',
      metadata: { name: `n${n}`, labels, annotations: { 'github.com/30x.dispatcher.hosts': `{"h${n}.test":{}}` } },
    })
    for (let p = 0; p < 5; p++)
      many.push({
        kind: 'Pod',
        metadata: {
          namespace: `n${n}`,
          name: `p${p}`,
          labels,
          annotations: { 'github.com/30x.dispatcher.paths': `[{"basePath":"/a${p % 2}","containerPort":"80"}]` },
        },
        spec: { containers: [{ ports: [{ containerPort: 80 }] }] },
        status: { phase: 'Running', podIP: `10.1.${n}.${p}` },
      })
  }
  const world = readTexts([['all.json', JSON.stringify({ kind: 'List', items: many })]], configured)
  const translate = createTranslate()
  const first = prepare([translate(world)]).plan
  const { artifact } = compileNginx(first, {
    policies,
    services: createTestServices(),
    folder: '/run',
    certificateFolder: '/ssl',
    ipv6: false,
  })
  expect(artifact.served.filter(({ by }) => by === 'nginx').length).toBe(200 * 3 + 1)
  const [pod, ...others] = world.pods
  const again = translate({ ...world, pods: [{ ...pod!, ready: false }, ...others] })
  // the routes are the same objects: only endpoints changed
  expect(again.model.routes.every((route, index) => route === translate(world).model.routes[index])).toBe(true)
})
