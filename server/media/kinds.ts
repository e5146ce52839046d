import type { MediaKind } from './media.ts'

const KB = 1024
const MB = 1024 * KB

/**
 * Bytes at most, per kind: what we keep of an inbound file and what Meta takes of ours.
 * Source: Cloud API reference, "Media", supported media types.
 */
export const LARGEST: Readonly<Record<MediaKind, number>> = {
  image: 5 * MB,
  document: 100 * MB,
  audio: 16 * MB,
  video: 16 * MB,
  sticker: 500 * KB,
}
/** Of an outbound sticker that does not move. */
export const LARGEST_STATIC_STICKER = 100 * KB

/** What Meta takes from us. Same source. */
export const SENDABLE: Readonly<Record<MediaKind, readonly string[]>> = {
  image: ['image/jpeg', 'image/png'],
  video: ['video/mp4', 'video/3gpp'],
  audio: ['audio/aac', 'audio/amr', 'audio/mpeg', 'audio/mp4', 'audio/ogg'],
  document: [
    'application/pdf',
    'text/plain',
    'application/msword',
    'application/vnd.openxmlformats-officedocument.wordprocessingml.document',
    'application/vnd.ms-excel',
    'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet',
    'application/vnd.ms-powerpoint',
    'application/vnd.openxmlformats-officedocument.presentationml.presentation',
  ],
  sticker: ['image/webp'],
}

/** Extensions by type; the first is the one we write. */
const EXTENSIONS: Readonly<Record<string, readonly string[]>> = {
  'image/jpeg': ['jpg', 'jpeg'],
  'image/png': ['png'],
  'image/webp': ['webp'],
  'image/gif': ['gif'],
  'video/mp4': ['mp4', 'm4v'],
  'video/3gpp': ['3gp'],
  'audio/aac': ['aac'],
  'audio/amr': ['amr'],
  'audio/mpeg': ['mp3'],
  'audio/mp4': ['m4a', 'mp4'],
  'audio/ogg': ['ogg', 'opus', 'oga'],
  'text/plain': ['txt', 'log', 'md', 'csv'],
  'text/csv': ['csv'],
  'application/pdf': ['pdf'],
  'application/zip': ['zip'],
  'application/msword': ['doc'],
  'application/vnd.openxmlformats-officedocument.wordprocessingml.document': ['docx'],
  'application/vnd.ms-excel': ['xls'],
  'application/vnd.openxmlformats-officedocument.spreadsheetml.sheet': ['xlsx'],
  'application/vnd.ms-powerpoint': ['ppt'],
  'application/vnd.openxmlformats-officedocument.presentationml.presentation': ['pptx'],
}

/** Endings of file names for a type, the usual one first; `bin` for one we do not know. */
export function extensionsOf(mimeType: string): readonly string[] {
  return EXTENSIONS[mimeType] ?? ['bin']
}

/** The type a name promises; `undefined` for names that promise nothing we know. */
export function typeOfName(filename: string | undefined): string | undefined {
  const extension = /\.([A-Za-z0-9]{1,8})$/.exec(filename ?? '')?.[1]?.toLowerCase()
  if (extension === undefined) return undefined
  return Object.keys(EXTENSIONS).find((type) => EXTENSIONS[type]?.includes(extension))
}
