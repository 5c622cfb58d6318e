/** Explanation → text for a terminal. Pure. */
import { addressOf } from '../model/address.ts'
import { placeOf, type Origin } from '../model/diagnostic.ts'
import type { ExplainedAction, Explanation } from './explain.ts'

export function renderExplanation(explanation: Explanation): string {
  const { request, listener, why, route, problem, policies, action, unmatched, behind, others, more } = explanation
  const lines = [`${request.method} ${request.host}${request.path}${request.query === '' ? '' : `?${request.query}`}`]
  const say = (name: string, text: string, origin?: Origin): void => {
    lines.push(`  ${name.padEnd(9)} ${text}${origin === undefined ? '' : `  # ${placeOf(origin)}`}`)
  }
  if (listener === undefined) say('listener', `none: ${why}`)
  else say('listener', `${listener.id} (${listener.socket}): ${why}`, listener.origin)
  if (route !== undefined)
    say('route', route.label === undefined ? route.id : `${route.id} (${route.label})`, route.origin)
  if (problem !== undefined) say('problem', `answers ${problem.status}: ${problem.reason}`)
  for (const use of policies) {
    const condition = use.when === undefined ? '' : ` when ${JSON.stringify(use.when)}`
    const owner = use.on === 'listener' ? ' (listener)' : ''
    say('policy', `${use.policy} ${JSON.stringify(use.config) ?? ''}${condition}${owner}`, use.origin)
  }
  if (action !== undefined) for (const line of describeAction(action)) say('action', line)
  if (unmatched !== undefined) {
    const answer = unmatched.kind === 'reply' ? `answers ${unmatched.status}` : unmatched.kind
    say('route', `none matches: ${unmatched.kind === 'express' ? 'answers 404 as Express does' : answer}`)
  }
  for (const next of behind) say('behind', next.id, next.origin)
  for (const other of others) say('not', `${other.id}: ${other.because.join('; ')}`, other.origin)
  if (more > 0) say('not', `and ${more} more`)
  return `${lines.join('\n')}\n`
}

function describeAction(action: ExplainedAction): readonly string[] {
  if (action.kind === 'next') return ['goes on with the next route that matches']
  if (action.kind === 'reply') return [`answers ${action.status}`]
  return action.backends.map(({ target, share, policies, endpoints }) => {
    const percent = `${Math.round(share * 1000) / 10} %`
    if (target.kind === 'fail') return `answers ${target.status} for ${percent}`
    const through = policies.length === 0 ? '' : ` through ${policies.join(', ')}`
    const weighted = endpoints.some(({ weight = 1 }) => weight !== 1)
    const where = endpoints.map((endpoint) => {
      const { weight = 1, draining } = endpoint
      const notes = [...(weighted ? [`weight ${weight}`] : []), ...(draining === true ? ['draining'] : [])]
      return `${addressOf(endpoint)}${notes.length === 0 ? '' : ` (${notes.join(', ')})`}`
    })
    return `forwards ${percent} to ${target.id}${through}: ${where.length === 0 ? 'no endpoint' : where.join(', ')}`
  })
}
