/** What somebody asked of the consumers and cannot have: a kind for programs, Express Gateway's words for people. */
export type MistakeKind = 'invalid' | 'exists' | 'missing' | 'unknown-consumer' | 'ambiguous'

export class ConsumerMistake extends Error {
  readonly kind: MistakeKind

  constructor(kind: MistakeKind, message: string) {
    super(message)
    this.name = 'ConsumerMistake'
    this.kind = kind
  }
}
