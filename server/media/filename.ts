import { extensionsOf } from './kinds.ts'

/** What a name must not hold: path separators, quotes, and characters that do not show or turn the text around. */
const UNSAFE = /[\p{C}\p{Zl}\p{Zp}/\\:*?"<>|]/gu
const LONGEST = 120

/**
 * A name that is only a name: no path, nothing hidden, and the extension of what the file really is, so that a PDF called
 * `invoice.exe` is saved as `invoice.exe.pdf`.
 *
 * @param fallback Used when nothing is left; without extension.
 */
export function safeFilename(given: string | null | undefined, mimeType: string, fallback: string): string {
  const name = (given ?? '')
    .normalize('NFC')
    .replace(UNSAFE, '_')
    .replace(/^[.\s_]+/, '')
    .trim()
  const extensions = extensionsOf(mimeType)
  const at = name.lastIndexOf('.')
  const extension = at === -1 ? '' : name.slice(at + 1).toLowerCase()
  if (extensions.includes(extension)) return `${shorten(name.slice(0, at)) || fallback}.${extension}`
  return `${shorten(name) || fallback}.${extensions[0]}`
}

/** `Content-Disposition` of RFC 6266: a plain name for old clients, the real one percent-encoded (RFC 8187). */
export function attachment(filename: string): string {
  const plain = filename.replace(/[^A-Za-z0-9 ._-]/g, '_')
  const encoded = encodeURIComponent(filename).replace(
    /['()*]/g,
    (character) => `%${character.charCodeAt(0).toString(16).toUpperCase()}`,
  )
  return `attachment; filename="${plain}"; filename*=UTF-8''${encoded}`
}

/** By characters, so that no surrogate pair is cut in half. */
function shorten(name: string): string {
  return [...name].slice(0, LONGEST).join('')
}
