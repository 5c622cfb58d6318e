/** Algorithm and pass phrase → how opaque tokens are kept: encrypted as OpenSSL's EVP_BytesToKey did. Pure. */
import { createCipheriv, createDecipheriv, createHash, getCipherInfo, timingSafeEqual } from 'node:crypto'

export interface TokenCipher {
  encrypt(text: string): string
  /** Undefined for what was not written under this pass phrase. */
  decrypt(encrypted: string): string | undefined
  /** Is this the text that was encrypted? In constant time; false for what cannot be decrypted. */
  matches(encrypted: string, text: string): boolean
}

/**
 * Key and IV as `crypto.createCipher` derived them (MD5, no salt, one round), which Node 22 no longer has: tokens that
 * stand in an existing Redis stay valid. Throws for an algorithm that OpenSSL does not know or that needs more (GCM).
 */
export function tokenCipher(algorithm: string, passPhrase: string): TokenCipher {
  const info = getCipherInfo(algorithm)
  if (info === undefined) throw new RangeError(`crypto.algorithm: OpenSSL knows no cipher "${algorithm}"`)
  if (info.mode === 'gcm' || info.mode === 'ccm' || info.mode === 'ocb') {
    throw new RangeError(`crypto.algorithm: "${algorithm}" needs a tag that stored tokens do not have; take aes256`)
  }
  const ivLength = info.ivLength ?? 0
  const bytes = bytesToKey(passPhrase, info.keyLength + ivLength)
  const key = bytes.subarray(0, info.keyLength)
  const iv = ivLength === 0 ? null : bytes.subarray(info.keyLength)
  const encrypt = (text: string): string => {
    const cipher = createCipheriv(algorithm, key, iv)
    return cipher.update(text, 'utf8', 'hex') + cipher.final('hex')
  }
  const decrypt = (encrypted: string): Buffer | undefined => {
    try {
      const decipher = createDecipheriv(algorithm, key, iv)
      return Buffer.concat([decipher.update(encrypted, 'hex'), decipher.final()])
    } catch {
      return undefined // not ours, or written under another pass phrase
    }
  }
  return {
    encrypt,
    decrypt: (encrypted) => decrypt(encrypted)?.toString('utf8'),
    matches: (encrypted, text) => {
      const plain = decrypt(encrypted)
      const given = Buffer.from(text)
      return plain !== undefined && plain.length === given.length && timingSafeEqual(plain, given)
    },
  }
}

function bytesToKey(passPhrase: string, length: number): Buffer {
  let bytes = Buffer.alloc(0)
  let block = Buffer.alloc(0)
  while (bytes.length < length) {
    block = createHash('md5').update(block).update(passPhrase).digest()
    bytes = Buffer.concat([bytes, block])
  }
  return bytes.subarray(0, length)
}
