import { createCipheriv, createDecipheriv, createHash, randomBytes, timingSafeEqual } from 'node:crypto'

/** AES-256; sops uses an initialisation vector of the same size. */
export const DATA_KEY_BYTES = 32
const IV_BYTES = 32
const TAG_BYTES = 16

const BASE64 = '([A-Za-z0-9+/]+={0,2})'
const ENVELOPE = new RegExp(`^ENC\\[AES256_GCM,data:${BASE64},iv:${BASE64},tag:${BASE64},type:([a-z]+)\\]$`)

/** Whether a text has the shape of an encrypted value; says nothing about its contents. */
export function isEnvelope(text: string): boolean {
  return ENVELOPE.test(text)
}

/**
 * Encrypts one value as sops does: `ENC[AES256_GCM,data:…,iv:…,tag:…,type:str]`.
 * @param context authenticated but not encrypted: `name:` for a value, the time of the last change for the MAC
 */
export function seal(plain: string, dataKey: Buffer, context: string): string {
  const iv = randomBytes(IV_BYTES)
  const cipher = createCipheriv('aes-256-gcm', dataKey, iv, { authTagLength: TAG_BYTES })
  cipher.setAAD(Buffer.from(context))
  const data = Buffer.concat([cipher.update(plain, 'utf8'), cipher.final()])
  const parts = { data, iv, tag: cipher.getAuthTag() }
  const text = Object.entries(parts).map(([name, bytes]) => `${name}:${bytes.toString('base64')}`)
  return `ENC[AES256_GCM,${text.join(',')},type:str]`
}

/**
 * Decrypts one envelope.
 * @throws Error with the reason only (no name, no value): malformed, not text, altered or moved
 */
export function unseal(envelope: string, dataKey: Buffer, context: string): string {
  const [data, iv, tag, type] = parseEnvelope(envelope)
  if (type !== 'str') throw new Error(`is of type ${type}, not text; set it again in quotation marks`)
  const decipher = createDecipheriv('aes-256-gcm', dataKey, iv, { authTagLength: TAG_BYTES })
  decipher.setAAD(Buffer.from(context)).setAuthTag(tag)
  let plain: Buffer
  try {
    plain = Buffer.concat([decipher.update(data), decipher.final()])
  } catch {
    throw new Error('was altered or moved since it was encrypted')
  }
  const text = plain.toString('utf8')
  if (!Buffer.from(text).equals(plain)) throw new Error('is not UTF-8 text')
  return text
}

function parseEnvelope(envelope: string): [data: Buffer, iv: Buffer, tag: Buffer, type: string] {
  const [, data, iv, tag, type] = ENVELOPE.exec(envelope) ?? []
  if (!data || !iv || !tag || !type) throw new Error('is not encrypted as sops does it')
  const bytes = [data, iv, tag].map((part) => {
    const decoded = Buffer.from(part, 'base64')
    if (decoded.toString('base64') !== part) throw new Error('holds malformed base64')
    return decoded
  }) as [Buffer, Buffer, Buffer]
  if (bytes[1].length !== IV_BYTES || bytes[2].length !== TAG_BYTES) {
    throw new Error('has an initialisation vector or tag of the wrong size')
  }
  return [...bytes, type]
}

/** SHA-512 over all plain values in document order, nothing in between, in upper-case hexadecimal. */
export function digest(values: Iterable<string>): string {
  const hash = createHash('sha512')
  for (const value of values) hash.update(value, 'utf8')
  return hash.digest('hex').toUpperCase()
}

/** Compares in a time that does not depend on where two digests differ. */
export function sameDigest(a: string, b: string): boolean {
  return a.length === b.length && timingSafeEqual(Buffer.from(a), Buffer.from(b))
}
