import { ToolError } from '../mcp/tool-error.ts'
import type { Received } from './files.ts'
import { LARGEST_STATIC_STICKER, SENDABLE } from './kinds.ts'
import type { MediaKind } from './media.ts'
import { identify, isAnimatedWebp } from './sniff.ts'

/**
 * The type under which Meta will take a file as this kind.
 *
 * @param claims What the file is said to be, likeliest first; the bytes decide.
 * @throws ToolError when it would refuse the file later: better told now, with the remedy.
 */
export async function acceptedType(
  { head, sizeBytes }: Received,
  claims: readonly (string | undefined)[],
  kind: MediaKind,
): Promise<string> {
  if (sizeBytes === 0) throw unsupported('The file is empty.', 'Give a file with content.')
  const mimeType = await firstFitting(head, claims, kind)
  if (mimeType === 'audio/ogg' && !isMonoOpus(head)) {
    throw unsupported('Ogg audio must be Opus with one channel.', 'Convert it, or send it as a document.')
  }
  if (kind === 'sticker' && sizeBytes > LARGEST_STATIC_STICKER && !isAnimatedWebp(head)) {
    throw tooLarge(kind, LARGEST_STATIC_STICKER)
  }
  return mimeType
}

/** What a client is told about a file over WhatsApp's limit. @param largest bytes */
export function tooLarge(kind: MediaKind, largest: number): ToolError {
  return new ToolError(`The file is too large for kind ${kind}: WhatsApp takes ${largest} bytes at most.`, {
    code: 'media_too_large',
    category: 'media',
    hint: 'Make it smaller, or send it as a document (up to 100 MB).',
    data: { max_bytes: largest },
  })
}

async function firstFitting(
  head: Buffer,
  claims: readonly (string | undefined)[],
  kind: MediaKind,
): Promise<string> {
  for (const claim of [...claims, undefined]) {
    const { mimeType, mismatch } = await identify(head, claim, kind)
    if (!mismatch && SENDABLE[kind].includes(mimeType)) return mimeType
  }
  const { mimeType } = await identify(head, undefined, kind)
  throw unsupported(
    `The file is ${mimeType}, which WhatsApp does not take as ${kind}.`,
    `For ${kind} it takes ${SENDABLE[kind].join(', ')}. For Office files name the file with its extension.`,
  )
}

function unsupported(message: string, hint: string): ToolError {
  return new ToolError(message, { code: 'media_type_unsupported', category: 'media', hint })
}

/** The identification header of Opus in Ogg: magic, version, channels (RFC 7845 §5.1). */
function isMonoOpus(head: Buffer): boolean {
  const at = head.indexOf('OpusHead')
  return at !== -1 && head[at + 9] === 1
}
