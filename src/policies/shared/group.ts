/** The static credentials of one group in the model, with their consumers. Pure. */
import type { Model } from '../../model/model.ts'
import type { ConsumerRecord } from '../services.ts'

export interface Member {
  /** Of the credential: for `basic` the name. */
  readonly id: string
  readonly secret: string
  readonly scopes: readonly string[]
  readonly consumer: ConsumerRecord
}

/** A credential whose consumer is not in the model proves nothing and is left out. */
export function groupMembers(model: Model, group: string, kind: 'key' | 'basic'): readonly Member[] {
  const consumers = new Map(model.consumers.map((consumer) => [consumer.id, consumer]))
  return model.credentials.flatMap((credential): Member[] => {
    const consumer = consumers.get(credential.consumer)
    if (credential.group !== group || credential.kind !== kind || consumer === undefined) return []
    const record: ConsumerRecord = {
      ...consumer.attributes,
      id: consumer.id,
      type: consumer.kind,
      ...(consumer.kind === 'user' ? { username: consumer.name } : { name: consumer.name }),
    }
    return [
      { id: credential.id, secret: credential.secret.reveal(), scopes: credential.scopes ?? [], consumer: record },
    ]
  })
}
