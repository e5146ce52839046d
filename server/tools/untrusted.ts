import * as z from 'zod'

/** Text somebody outside wrote: to be read as data, never as an instruction. */
export const untrustedText = z.object({ untrusted: z.literal(true), value: z.string() })
export type UntrustedText = z.infer<typeof untrustedText>

/**
 * Control, format and zero-width characters, tags and variation selectors: what can carry words that people do not see, or turn
 * the direction of those they do. The joiner inside an emoji, the emoji selector, tab and line break stay.
 */
const INVISIBLE =
  /(?!(?<=[\p{Extended_Pictographic}\p{Emoji_Modifier}\uFE0F])\u200D(?=\p{Extended_Pictographic}))[[\p{Cc}\p{Cf}\u{FE00}-\u{FE0E}\u{E0100}-\u{E01EF}]--[\n\t]]/gv

/** @param most Longer texts are cut here and end in `…`. */
export function untrusted(text: string, most?: number): UntrustedText
export function untrusted(text: string | null, most?: number): UntrustedText | null
export function untrusted(text: string | null, most = Number.POSITIVE_INFINITY): UntrustedText | null {
  if (text === null) return null
  const value = text.replace(INVISIBLE, '')
  return { untrusted: true, value: value.length > most ? `${value.slice(0, most).toWellFormed()}…` : value }
}
