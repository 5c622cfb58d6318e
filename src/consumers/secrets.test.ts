/** What must fit data that others have written: token encryption, password hashes, names. */
import { describe, expect, it } from 'vitest'
import { StoreUnavailable } from '../policies/services.ts'
import { newHexId, newId, newShortId } from './ids.ts'
import { passwords } from './passwords.ts'
import { tokenCipher } from './token-cipher.ts'

describe('token cipher', () => {
  it('encrypts as OpenSSL with a pass phrase did', () => {
    const cipher = tokenCipher('aes256', 'sensitiveKey')
    expect(cipher.encrypt('hello')).toBe('2f00c6d6c4be46b3c3e90919a7107846')
    expect(cipher.decrypt('2f00c6d6c4be46b3c3e90919a7107846')).toBe('hello')
    expect(cipher.matches('2f00c6d6c4be46b3c3e90919a7107846', 'hello')).toBe(true)
    expect(cipher.matches('2f00c6d6c4be46b3c3e90919a7107846', 'hellp')).toBe(false)
    expect(tokenCipher('aes256', 'another').decrypt('2f00c6d6c4be46b3c3e90919a7107846')).toBeUndefined()
    for (const broken of ['', 'zz', '2f00']) expect(cipher.matches(broken, 'hello')).toBe(false)
  })

  it('takes other ciphers, and says which it cannot', () => {
    for (const algorithm of ['aes-128-cbc', 'aes192', 'camellia256', 'aes-256-ctr']) {
      const cipher = tokenCipher(algorithm, 'x')
      expect(cipher.decrypt(cipher.encrypt('hello'))).toBe('hello')
    }
    expect(() => tokenCipher('nothing', 'x')).toThrow(/knows no cipher "nothing"/)
    expect(() => tokenCipher('aes-256-gcm', 'x')).toThrow(/take aes256/)
  })
})

describe('passwords', () => {
  it('knows the hashes of other programs, and remembers what was right under its own hash only', async () => {
    const { hash, verify, close } = passwords({ rounds: 4, threads: 1 })
    const made = await hash('p:w')
    expect(made).toMatch(/^\$2[ab]\$04\$/)
    expect(await verify('p:w', made)).toBe(true)
    expect(await verify('p:w', await hash('other'))).toBe(false)
    expect(await verify('p:w', made)).toBe(true)
    expect(await verify('p:w', undefined)).toBe(false)
    expect(await verify('p:w', 'no hash at all')).toBe(false)
    await close()
  })

  it('leaves the event loop alone, and refuses when too many wait', async () => {
    const { hash, verify, close } = passwords({ rounds: 10, threads: 1, queue: 2 })
    let turns = 0
    const timer = setInterval(() => turns++, 1)
    const made = await hash('x')
    clearInterval(timer)
    expect(turns).toBeGreaterThan(2)
    const answers = await Promise.allSettled(['a', 'b', 'c', 'd'].map((password) => verify(password, made)))
    const refused = answers.filter(
      (answer) => answer.status === 'rejected' && answer.reason instanceof StoreUnavailable,
    )
    expect(refused).toHaveLength(2)
    await close()
  })
})

describe('names', () => {
  it('have the shapes that clients know', () => {
    expect(newId()).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(newHexId()).toMatch(/^[0-9a-f]{32}$/)
    for (let times = 0; times < 100; times++) expect(newShortId()).toMatch(/^[0-9a-zA-Z]{22}$/)
  })
})
