/** Why a message is refused: a status and a reason. */

/** `reason` is stable, for metrics and the log. */
export class Refusal {
  readonly kind = 'refusal'
  readonly status: number
  readonly reason: string

  constructor(status: number, reason: string) {
    this.status = status
    this.reason = reason
  }
}

export const bad = (reason: string): Refusal => Object.freeze(new Refusal(400, reason))
