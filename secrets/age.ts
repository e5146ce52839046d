import { armor, Decrypter, Encrypter, generateX25519Identity, identityToRecipient } from 'age-encryption'
import { isValid } from './bech32.ts'
import { DATA_KEY_BYTES } from './cipher.ts'
import { Secret } from './secret.ts'

// Errors of age-encryption can quote the whole private key. None of them leaves this file, not even as a cause.

/** The key is sound, but not one that opens this file. */
export class WrongKey extends Error {}

/** A data key wrapped for one recipient, as the list `sops.age` holds it. */
export interface WrappedKey {
  readonly recipient: string
  /** armored age file holding the raw data key */
  readonly enc: string
}

/** Native X25519 recipients only: Debian's age cannot read the post-quantum ones, and plug-ins need a person. */
export function isRecipient(text: string): boolean {
  return /^age1[02-9ac-hj-np-z]{58}$/.test(text) && isValid('age', text.slice(4))
}

/** A new private key, `AGE-SECRET-KEY-1…`. */
export async function newIdentity(): Promise<Secret> {
  return new Secret(await generateX25519Identity())
}

/**
 * The public recipient of a private identity.
 * @throws Error when the identity is malformed; its text is not part of the message
 */
export async function recipientOf(identity: Secret): Promise<string> {
  try {
    return await identityToRecipient(identity.reveal())
  } catch {
    throw new Error('This is not an age identity (AGE-SECRET-KEY-1…).')
  }
}

/** @throws Error when `recipient` is not an X25519 recipient */
export async function wrap(dataKey: Buffer, recipient: string): Promise<WrappedKey> {
  if (!isRecipient(recipient)) throw new Error(`${recipient} is not an age recipient (age1 + 58 characters).`)
  const encrypter = new Encrypter()
  encrypter.addRecipient(recipient)
  return { recipient, enc: armor.encode(await encrypter.encrypt(dataKey)) }
}

/** @throws WrongKey when no entry is for this identity; Error when its entry does not open */
export async function unwrap(wrapped: readonly WrappedKey[], identity: Secret): Promise<Buffer> {
  const recipient = await recipientOf(identity)
  const entry = wrapped.find((key) => key.recipient === recipient)
  if (!entry) {
    throw new WrongKey(
      `the age key given (recipient ${recipient}) cannot open this file: it is encrypted to ` +
        `${wrapped.map((key) => key.recipient).join(', ')}. Use the matching key, or have the recipient added.`,
    )
  }
  let dataKey: Uint8Array
  try {
    const decrypter = new Decrypter()
    decrypter.addIdentity(identity.reveal())
    dataKey = await decrypter.decrypt(armor.decode(entry.enc))
  } catch {
    throw new Error(`The data key wrapped for ${recipient} is damaged`)
  }
  if (dataKey.length !== DATA_KEY_BYTES) {
    throw new Error(`The data key wrapped for ${recipient} is not ${DATA_KEY_BYTES} bytes long`)
  }
  return Buffer.from(dataKey)
}
