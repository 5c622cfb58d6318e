/** What is printed reads back as it was said, by our reader and by nginx itself; no value escapes. */
import { execFileSync } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { runsFor } from '../../../conformance/loud.ts'
import { parseConfiguration, type ParsedDirective } from './parse.ts'
import { literal, printConfiguration, quote, type Directive } from './print.ts'

const value = fc
  .oneof(fc.string({ unit: 'binary' }), fc.string({ unit: fc.constantFrom(...' ;{}"\'\\\n\r\t#$abc)(') }))
  .map((text) => text.replaceAll('$', '').replaceAll('\0', ''))
const name = fc.stringMatching(/^[a-z][a-z0-9_]{0,12}$/)
const { tree } = fc.letrec<{ tree: Directive[]; directive: Directive }>((tie) => ({
  tree: fc.array(tie('directive'), { maxLength: 4 }),
  directive: fc.record({
    name,
    args: fc.array(value, { maxLength: 3 }),
    block: fc.option(tie('tree'), { nil: undefined }),
    comment: fc.option(fc.string({ unit: 'binary' }), { nil: undefined }),
  }),
}))

function expected(directives: readonly Directive[]): readonly ParsedDirective[] {
  return directives.map(({ name: word, args, block }) => ({
    words: [word, ...(args as string[])],
    ...(block === undefined ? {} : { block: expected(block) }),
  }))
}

test('any values, comments and nesting read back as they were said', () => {
  fc.assert(
    fc.property(tree, (directives) => {
      expect(parseConfiguration(printConfiguration(directives))).toEqual(expected(directives))
    }),
    { numRuns: 500 },
  )
})

test('what would be a variable, a NUL or a foreign name is refused', () => {
  expect(() => quote('a$host')).toThrow(TypeError)
  expect(() => quote('a\u0000b')).toThrow(TypeError)
  expect(() => printConfiguration([{ name: 'proxy_pass;', args: [] }])).toThrow(TypeError)
  expect(() => printConfiguration([{ name: 'return', args: [{ raw: '200;' }] }])).toThrow(TypeError)
  expect(printConfiguration([{ name: 'ssl_certificate', args: [literal('/a b/$c.crt')] }])).toBe(
    'ssl_certificate "/a b/$c.crt";\n',
  )
})

test('the reader can fail', () => {
  for (const text of ['a', 'a {', '}', ';', 'a "b', 'a "b"c;'])
    expect(() => parseConfiguration(text)).toThrow(SyntaxError)
})

const nginx = '/usr/sbin/nginx'
const why = existsSync(nginx) ? undefined : `there is no ${nginx}`
test.runIf(runsFor('that nginx reads what we print', why))('nginx itself accepts hostile values as values', () => {
  const folder = mkdtempSync(join(tmpdir(), 'gantry-nginx-'))
  const hostile = ['"; } evil on; {', "'; return 444; '", '\n}\nevil on;', '\\', '\\"', '# no', '{', '}', ';', ' ', '']
  const locations: Directive[] = hostile.map((text, index) => ({
    name: 'location',
    args: [`/${index}`],
    block: [{ name: 'add_header', args: ['X-Test', text] }],
  }))
  const configuration: Directive[] = [
    { name: 'pid', args: [join(folder, 'pid')] },
    { name: 'events', args: [], block: [] },
    {
      name: 'http',
      args: [],
      block: [
        { name: 'access_log', args: ['off'] },
        { name: 'server', args: [], block: [{ name: 'listen', args: ['127.0.0.1:1'] }, ...locations] },
      ],
    },
  ]
  const file = join(folder, 'nginx.conf')
  writeFileSync(file, printConfiguration(configuration))
  expect(() =>
    execFileSync(nginx, ['-t', '-q', '-c', file, '-e', join(folder, 'error.log')], { stdio: 'pipe' }),
  ).not.toThrow()
  writeFileSync(file, 'evil on;')
  expect(() =>
    execFileSync(nginx, ['-t', '-q', '-c', file, '-e', join(folder, 'error.log')], { stdio: 'pipe' }),
  ).toThrow()
  rmSync(folder, { recursive: true, force: true })
})
