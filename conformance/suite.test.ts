/** Claims, results and reports → flags and verdicts. */
import { describe, expect, it } from 'vitest'
import {
  claimOf,
  flagsOf,
  identityOf,
  judge,
  judgeOne,
  ownerOfLines,
  printCounts,
  printTable,
  type Report,
  type Result,
  resultOf,
} from './suite.ts'

describe('claimOf', () => {
  it.each([
    ['v1.7.0', 'standard', 50, 4, 147],
    ['v1.7.0', 'experimental', 54, 0, 147],
    ['v1.6.3', 'standard', 45, 3, 131],
    ['v1.6.3', 'experimental', 48, 0, 131],
  ] as const)('%s %s: %d features', (suite, channel, features, impossible, tests) => {
    const claim = claimOf(suite, channel)
    expect([claim.features.length, claim.impossible.length, claim.tests]).toEqual([features, impossible, tests])
    expect(new Set(claim.features).size).toBe(features)
    expect(claim.profiles).toHaveLength(5)
  })
  it('refuses a file with a name that it does not know', () => {
    expect(() => claimOf('v1.7.0', 'standard', 'profiles: []\nexempt: [GatewayPort8080]\n')).toThrow()
  })
})

describe('identityOf', () => {
  const of = (more: object) => identityOf(JSON.stringify({ name: 'gantry', version: '1.2.3', ...more }))

  it('is what package.json says', () => {
    const repository = { type: 'git', url: 'git+https://code.example/team/gantry.git' }
    expect(of({ repository, bugs: { url: 'https://code.example/team/gantry/issues' } })).toEqual({
      implementation: {
        organization: 'gantry',
        project: 'gantry',
        url: 'https://code.example/team/gantry',
        version: '1.2.3',
        contact: 'https://code.example/team/gantry/issues',
      },
      homeless: false,
    })
    expect(of({ repository: 'github:team/gantry', homepage: 'https://gantry.example/' }).implementation).toMatchObject({
      url: 'https://gantry.example/',
      contact: 'https://gantry.example/',
    })
  })
  it('pretends no home where there is none', () => {
    const { implementation, homeless } = of({})
    expect(homeless).toBe(true)
    expect(new URL(implementation.url).hostname).toMatch(/\.invalid$/)
  })
})

describe('flagsOf', () => {
  const implementation = { organization: 'o', project: 'p', url: 'https://u.example', version: '1', contact: '@c' }
  const claim = claimOf('v1.7.0', 'standard')
  const whole = flagsOf(claim, { gatewayClass: 'gantry', implementation, parallel: 4, report: '/r.yaml' })

  it('claims all and reports', () => {
    expect(whole).toContain('--gateway-class=gantry')
    expect(whole).toContain('--report-output=/r.yaml')
    expect(whole.find((flag) => flag.startsWith('--supported-features='))?.split(',')).toHaveLength(50)
  })
  it('loosens and exempts nothing', () => {
    expect(whole.filter((flag) => /timeout-config|exempt|skip|all-features|allow-crds/.test(flag))).toEqual([])
  })
  it('runs one test without a report', () => {
    const one = flagsOf(claim, {
      gatewayClass: 'gantry',
      implementation,
      parallel: 4,
      report: '/r.yaml',
      test: 'HTTPRouteWeight',
    })
    expect(one).toContain('--run-test=HTTPRouteWeight')
    expect(one.filter((flag) => flag.startsWith('--report'))).toEqual([])
  })
})

describe('output', () => {
  it('has results of whole tests only', () => {
    expect(resultOf('    --- PASS: TestConformance/HTTPRouteWeight (12.34s)')).toEqual({
      test: 'HTTPRouteWeight',
      outcome: 'pass',
      seconds: 12.34,
    })
    expect(resultOf('    --- FAIL: TestConformance/A (0.00s)')?.outcome).toBe('fail')
    expect(resultOf('    --- SKIP: TestConformance/A (0.00s)')?.outcome).toBe('skip')
    expect(resultOf('        --- PASS: TestConformance/A/part_one (0.00s)')).toBeUndefined()
    expect(resultOf('--- FAIL: TestConformance (3.00s)')).toBeUndefined()
    expect(resultOf('    log.go:1: --- PASS: TestConformance/A (0.00s)')).toBeUndefined()
  })
  it('belongs to the test of the last heading', () => {
    const owner = ownerOfLines()
    const found = [
      '=== RUN   TestConformance',
      'setup',
      '=== RUN   TestConformance/A/part',
      'line',
      '=== CONT  TestConformance/B',
      'line',
      '--- PASS: TestConformance (1s)',
    ].map(owner)
    expect(found).toEqual([undefined, undefined, 'A', 'A', 'B', 'B', undefined])
  })
})

describe('verdict', () => {
  const claim = { ...claimOf('v1.7.0', 'standard'), tests: 2, profiles: ['GATEWAY-HTTP'] }
  const passed = (test: string): Result => ({ test, outcome: 'pass', seconds: 1 })
  const results = [passed('A'), passed('B'), { test: 'MeshBasic', outcome: 'skip', seconds: 0 } as const]
  const half = { result: 'success', statistics: { Passed: 1, Failed: 0, Skipped: 0 } }
  const report = (more: object = {}, head: object = {}): Report => ({
    gatewayAPIVersion: 'v1.7.0',
    gatewayAPIChannel: 'standard',
    profiles: [
      { name: 'GATEWAY-HTTP', core: half, extended: { ...half, unsupportedFeatures: [...claim.impossible], ...more } },
    ],
    ...head,
  })

  it('is success when everything passed, mesh aside', () => expect(judge(claim, results, report(), 0)).toEqual([]))
  it.each([
    ['a failed test', [passed('A'), { test: 'B', outcome: 'fail', seconds: 1 }], report(), 1, /B: failed/],
    ['a skipped test', [passed('A'), { test: 'B', outcome: 'skip', seconds: 0 }], report(), 0, /B: skipped/],
    ['a test that never ran', [passed('A')], report(), 0, /1 tests passed of the 2/],
    ['an exit status', results, report(), 1, /ended with 1/],
    ['no report', results, undefined, 0, /no report/],
    ['a half that is not success', results, report({ result: 'partial' }), 0, /extended: partial/],
    [
      'a feature that could be claimed',
      results,
      report({ unsupportedFeatures: ['GatewayPort8080'] }),
      0,
      /does not claim GatewayPort8080/,
    ],
    ['an absent profile', results, report({}, { profiles: [] }), 0, /core: absent/],
    ['another channel', results, report({}, { gatewayAPIChannel: 'experimental' }), 0, /channel experimental/],
    ['another release', results, report({}, { gatewayAPIVersion: 'v1.6.3' }), 0, /version v1.6.3/],
  ] as const)('names %s', (_, found, given, exit, complaint) =>
    expect(judge(claim, found, given, exit).join('\n')).toMatch(complaint),
  )

  it('of one test: passed, failed, or never heard of', () => {
    expect(judgeOne('A', results, 0)).toEqual([])
    expect(judgeOne('MeshBasic', results, 0)).toEqual(['MeshBasic: skipped'])
    expect(judgeOne('Z', results, 0).join()).toMatch(/is the name right/)
    expect(judgeOne('A', results, 1)).toEqual(['the suite ended with 1'])
  })
  it('prints the slowest first and counts', () => {
    const table = printTable([
      passed('A'),
      { test: 'B', outcome: 'fail', seconds: 60 },
      { test: 'MeshBasic', outcome: 'skip', seconds: 0 },
    ])
    expect(table).toBe('test\toutcome\tseconds\nB\tfail\t60.00\nA\tpass\t1.00\n')
    expect(printCounts(results)).toBe('2 passed, 0 failed, 0 skipped')
  })
})
