/** Steps in their order over one exchange. Looks before it awaits: a chain that need not wait runs in one call. */
import { Fields } from '../../lib/http1/fields.ts'
import type { Unmatched } from '../../model/model.ts'
import { BodyTooLarge, type Outcome, Refusal, type Reply } from '../../policies/policy.ts'
import { StoreUnavailable } from '../../policies/services.ts'
import { STAGE, type EngineExchange } from './exchange.ts'
import { dispatch, forward, plainAnswer } from './forward.ts'
import { taggedReply } from './tagged.ts'
import { handOver } from './hand-over.ts'
import { expressNotFound } from './unmatched.ts'

/** A request whose head is complete: listener policies, then its route. */
export function begin(exchange: EngineExchange): void {
  const { steps } = exchange.listener
  if (steps.length > 0) {
    exchange.steps = steps
    advance(exchange)
  } else findRoute(exchange)
}

/** Runs from where the exchange stands. */
export function advance(exchange: EngineExchange): void {
  const { steps } = exchange
  try {
    while (exchange.at < steps.length) {
      const compiled = steps[exchange.at]!
      if (compiled.when !== undefined) {
        const held = compiled.when(exchange)
        if (typeof held !== 'boolean') {
          void settleCondition(exchange, held)
          return
        }
        if (!held) {
          exchange.at++
          continue
        }
      }
      if (runStep(exchange)) return
    }
  } catch (error) {
    broken(exchange, error)
    return
  }
  exhausted(exchange)
}

/** The step the exchange stands at. True: it does not go on from here. */
function runStep(exchange: EngineExchange): boolean {
  const { step } = exchange.steps[exchange.at++]!
  if (step.response !== undefined || step.done !== undefined) (exchange.ran ??= []).push(step)
  if (step.request === undefined) return false
  const result = step.request(exchange)
  if (result === undefined) return false
  if ('then' in result) void settleStep(exchange, result)
  else conclude(exchange, result)
  return true
}

async function settleCondition(exchange: EngineExchange, pending: Promise<boolean>): Promise<void> {
  try {
    const held = await pending
    if (!isRunning(exchange)) return
    if (!held) exchange.at++
    else if (runStep(exchange)) return
  } catch (error) {
    broken(exchange, error)
    return
  }
  advance(exchange)
}

async function settleStep(exchange: EngineExchange, pending: Promise<Outcome | undefined>): Promise<void> {
  let outcome: Outcome | undefined
  try {
    outcome = await pending
  } catch (error) {
    broken(exchange, error)
    return
  }
  if (!isRunning(exchange)) return
  if (outcome === undefined) advance(exchange)
  else conclude(exchange, outcome)
}

function isRunning(exchange: EngineExchange): boolean {
  return exchange.stage <= STAGE.backend
}

function conclude(exchange: EngineExchange, outcome: Outcome): void {
  switch (outcome.kind) {
    case 'reply':
      reply(exchange, outcome)
      return
    case 'forward':
      forward(exchange, exchange.listener.context.planOf(outcome.forward, exchange.route))
      return
    case 'next':
      findRoute(exchange)
      return
    case 'upgrade':
      outcome.take(handOver(exchange, outcome.timeout, (answer) => reply(exchange, answer)))
      return
  }
}

/** All steps of a stage have let it pass. */
function exhausted(exchange: EngineExchange): void {
  if (exchange.stage === STAGE.listener) {
    findRoute(exchange)
    return
  }
  if (exchange.stage === STAGE.backend) {
    dispatch(exchange)
    return
  }
  const program = exchange.program!
  if (program.plan !== undefined) {
    forward(exchange, program.plan)
    return
  }
  const { action } = program.route
  if (action.kind !== 'reply') findRoute(exchange)
  else if (action.etag !== undefined) reply(exchange, taggedReply(action, exchange.request))
  else plainAnswer(exchange, action.status, action.body, action.contentType)
}

function findRoute(exchange: EngineExchange): void {
  const { rules } = exchange.listener
  const found = exchange.rule < 0 ? rules.find(exchange.request) : rules.find(exchange.request, exchange.rule)
  if (found === undefined) {
    unmatched(exchange)
    return
  }
  exchange.stage = STAGE.route
  exchange.rule = found.index
  const program = found.value
  exchange.program = program
  exchange.route = program.route
  if (found.problem !== undefined) {
    exchange.failure = found.problem.kind
    plainAnswer(exchange, found.problem.status, `${found.problem.reason}\n`, undefined)
    return
  }
  exchange.parameters = found.parameters
  exchange.steps = program.steps
  exchange.at = 0
  if (program.steps.length > 0) advance(exchange)
  else exhausted(exchange)
}

function unmatched(exchange: EngineExchange): void {
  const what = exchange.listener.listener.unmatched ?? NOT_FOUND
  exchange.failure ??= 'no-route'
  exchange.stage = STAGE.route
  switch (what.kind) {
    case 'reply':
      plainAnswer(exchange, what.status, what.body, what.contentType)
      return
    case 'express':
      reply(exchange, expressNotFound(exchange.request.method, exchange.request.originalTarget))
      return
    case 'close':
      exchange.inbound.abort()
      return
  }
}

const NOT_FOUND: Unmatched = { kind: 'reply', status: 404 }

/** An answer of a policy. */
function reply(exchange: EngineExchange, answer: Reply): void {
  const headers = new Fields()
  const { response } = exchange
  response.begin(answer.status, answer.reason ?? '', headers, 'gateway', 0)
  if (answer.headers !== undefined) {
    for (const [name, value] of answer.headers) {
      const lower = name.toLowerCase()
      // how long it is and how it is framed is for the engine to say; a stream's length is believed
      if (lower === 'content-length' || lower === 'transfer-encoding' || lower === 'connection') continue
      headers.append(name, value)
    }
  }
  const { body } = answer
  if (body === undefined || typeof body === 'string' || Buffer.isBuffer(body)) response.fixed = body ?? ''
  else {
    const said = answer.headers?.find(([name]) => name.toLowerCase() === 'content-length')?.[1]
    const length = said !== undefined && /^\d{1,15}$/.test(said) ? Number(said) : undefined
    response.makeFlow().replaceStream(body, length)
  }
  respond(exchange)
}

/** The answer is there: the response phase, then out. */
export function respond(exchange: EngineExchange): void {
  exchange.stage = STAGE.answering
  const { ran } = exchange
  if (ran === undefined) {
    send(exchange)
    return
  }
  exchange.answerAt = ran.length
  respondOn(exchange)
}

function respondOn(exchange: EngineExchange): void {
  const ran = exchange.ran!
  try {
    while (exchange.answerAt > 0) {
      const step = ran[--exchange.answerAt]!
      const result = step.response?.(exchange)
      if (result !== undefined) {
        // what the backend sends meanwhile has to wait somewhere
        if (exchange.response.from === 'backend') exchange.response.makeFlow()
        void settleResponse(exchange, result)
        return
      }
    }
  } catch (error) {
    brokenAnswer(exchange, error)
    return
  }
  send(exchange)
}

async function settleResponse(exchange: EngineExchange, pending: Promise<void>): Promise<void> {
  try {
    await pending
  } catch (error) {
    brokenAnswer(exchange, error)
    return
  }
  if (exchange.stage !== STAGE.answering) return
  respondOn(exchange)
  exchange.inbound.flush()
}

function send(exchange: EngineExchange): void {
  const { response, inbound } = exchange
  const { fixed, flow } = response
  if (flow !== undefined) {
    inbound.answer(exchange, flow.length())
    flow.attach(inbound)
    return
  }
  if (fixed !== undefined) {
    const bytes = typeof fixed === 'string' ? Buffer.from(fixed) : fixed
    inbound.answer(exchange, bytes.length)
    if (bytes.length > 0) inbound.write(bytes)
    inbound.end(undefined)
    return
  }
  inbound.answer(exchange, response.declared)
  if (exchange.outbound === undefined) inbound.end(undefined)
}

/** A policy threw in the request phase. Never let the request pass. */
function broken(exchange: EngineExchange, error: unknown): void {
  if (!isRunning(exchange)) return
  report(exchange, error)
  plainAnswer(exchange, statusOf(error), undefined, undefined)
}

/** A policy threw in the response phase: what it would have changed must not go out unchanged. */
function brokenAnswer(exchange: EngineExchange, error: unknown): void {
  if (exchange.stage !== STAGE.answering) return
  report(exchange, error)
  const { outbound } = exchange
  exchange.outbound = undefined
  exchange.response.flow?.abandon(new Error('the answer was replaced'))
  outbound?.cancel()
  const headers = new Fields()
  headers.set('Content-Type', 'text/plain; charset=utf-8')
  exchange.response.begin(statusOf(error), '', headers, 'gateway', 0)
  exchange.response.fixed = statusOf(error) === 503 ? 'Service Unavailable\n' : 'Internal Server Error\n'
  send(exchange)
}

function statusOf(error: unknown): number {
  if (error instanceof StoreUnavailable) return 503
  return error instanceof Refusal ? error.status : 500
}

function report(exchange: EngineExchange, error: unknown): void {
  exchange.failure = error instanceof BodyTooLarge ? 'body-too-large' : 'policy-failed'
  if (error instanceof Refusal) return
  const message = error instanceof Error ? error.message : String(error)
  exchange.listener.context.services.events.emit('error', 'engine/policy-failed', message, {
    route: exchange.route.id,
    ...(error instanceof Error && error.stack !== undefined ? { stack: error.stack } : {}),
  })
}

/** The last byte is out, or the client has gone. */
export function finished(exchange: EngineExchange): void {
  if (exchange.stage === STAGE.done) return
  exchange.stage = STAGE.done
  const { context } = exchange.listener
  if (exchange.limit !== undefined) context.wheel.remove(exchange.limit)
  const { ran } = exchange
  if (ran !== undefined) {
    for (let at = ran.length - 1; at >= 0; at--) {
      try {
        ran[at]!.done?.(exchange)
      } catch (error) {
        report(exchange, error)
      }
    }
  }
  context.finished(exchange)
}

/** The client has gone before its answer was whole. */
export function clientGone(exchange: EngineExchange, failure: string): void {
  if (exchange.stage === STAGE.done) return
  const { outbound, request, response } = exchange
  exchange.failure ??= failure
  exchange.outbound = undefined
  outbound?.cancel()
  const error = new Error(failure)
  request.flow?.abandon(error)
  response.flow?.abandon(error)
  exchange.abortSignal()
  finished(exchange)
}
