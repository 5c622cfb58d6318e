/** A promise, and what settles it: `Promise.withResolvers`, which Node 20 lacks. */

export interface Deferred<Value> {
  readonly promise: Promise<Value>
  resolve(value: Value): void
}

export function createDeferred<Value = void>(): Deferred<Value> {
  let resolve: (value: Value) => void = () => undefined
  const promise = new Promise<Value>((settle) => {
    resolve = settle
  })
  return { promise, resolve }
}
