import type { MediaKind } from './media.ts'

/** How much of a file is looked at. */
export const HEAD_BYTES = 64 * 1024

export interface TypeFinding {
  readonly mimeType: string
  /** The bytes are something else than was claimed. */
  readonly mismatch: boolean
}

/** Names that mean the same bytes. */
const SAME: Readonly<Record<string, string>> = {
  'audio/x-m4a': 'audio/mp4',
  'audio/mp3': 'audio/mpeg',
  'audio/opus': 'audio/ogg',
  'application/ogg': 'audio/ogg',
  'image/jpg': 'image/jpeg',
  'audio/3gpp': 'video/3gpp',
}
/** Containers that many types share: within these, the claim decides which one it is. */
const CONTAINERS: Readonly<Record<string, RegExp>> = {
  'application/zip':
    /^application\/(zip|epub\+zip|java-archive|vnd\.(openxmlformats-officedocument|oasis\.opendocument)\..+)$/,
  'application/x-cfb': /^application\/(msword|vnd\.ms-(excel|powerpoint|outlook|project|works)|x-cfb)$/,
  'application/xml': /^(application|text|image)\/(.*\+)?xml$/,
  'video/mp4': /^audio\/mp4$/,
  'audio/mp4': /^video\/mp4$/,
}

/** A type in the one form we compare and store: lower case, without parameters, or `undefined` when it is none. */
export function plainType(mimeType: string | null | undefined): string | undefined {
  const type = (mimeType ?? '').split(';')[0]?.trim().toLowerCase() ?? ''
  if (!/^[a-z]+\/[a-z0-9][a-z0-9.+-]{0,99}$/.test(type)) return undefined
  return SAME[type] ?? type
}

/**
 * What a file is, by its first bytes, against what was claimed. Bytes we cannot name keep a claim we could not have named
 * either (a dialect of plain text, say); under any other claim they are text or just bytes, and that is a mismatch.
 */
export async function identify(
  head: Buffer,
  claimed: string | null | undefined,
  kind: MediaKind,
): Promise<TypeFinding> {
  const named = plainType(claimed)
  const claim = named === 'application/octet-stream' ? undefined : named
  const { fileTypeFromBuffer, supportedMimeTypes } = await import('file-type')
  const found = plainType((await fileTypeFromBuffer(head))?.mime)
  if (found === undefined) {
    const fallback = isText(head) ? 'text/plain' : 'application/octet-stream'
    if (claim === undefined) return { mimeType: fallback, mismatch: false }
    const possible = claim.startsWith('text/') ? isText(head) : !isNameable(claim, supportedMimeTypes)
    return possible ? { mimeType: claim, mismatch: false } : { mimeType: fallback, mismatch: true }
  }
  if (claim !== undefined && (claim === found || CONTAINERS[found]?.test(claim))) {
    return { mimeType: claim, mismatch: false }
  }
  const mimeType = kind === 'audio' && found === 'video/mp4' ? 'audio/mp4' : found
  return { mimeType, mismatch: claim !== undefined }
}

/** Whether a WebP moves (VP8X chunk, animation flag; RFC 9649 §2.7). */
export function isAnimatedWebp(head: Buffer): boolean {
  return head.toString('latin1', 12, 16) === 'VP8X' && ((head[20] ?? 0) & 0x02) !== 0
}

/** Whether bytes of this type would have been recognised. */
function isNameable(type: string, supported: ReadonlySet<string>): boolean {
  return (
    supported.has(type) ||
    /^(image|audio|video)\//.test(type) ||
    Object.values(CONTAINERS).some((members) => members.test(type))
  )
}

/** UTF-8 without control characters; the end may cut a character in half. */
function isText(head: Buffer): boolean {
  if (head.length === 0 || head.some((byte) => byte < 9 || (byte > 13 && byte < 32))) return false
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(head, { stream: true })
    return true
  } catch {
    return false
  }
}
