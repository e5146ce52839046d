import type { Readable } from 'node:stream'

export type MediaKind = 'image' | 'document' | 'audio' | 'video' | 'sticker'

/** A stored file. */
export interface StoredMedia {
  readonly id: string
  readonly phoneNumberId: string
  readonly kind: MediaKind
  readonly mimeType: string
  readonly sizeBytes: number
  /** Hex. */
  readonly sha256: string
  readonly filename: string | null
  /** Absolute. */
  readonly path: string
}

/** Where an outbound file comes from. Exactly one of them. */
export interface MediaSource {
  /** https only; private addresses are refused, before and after redirects. */
  readonly url?: string | undefined
  readonly base64?: string | undefined
  /** A file we already store, of a number the client may read. */
  readonly media_id?: string | undefined
}

export interface Media {
  /** Stores an outbound file for a client. @throws ToolError for a bad source, type or size. */
  store(o: {
    clientId: string
    numberId: string
    kind: MediaKind
    source: MediaSource
    filename: string | undefined
    readableNumberIds: readonly string[]
    signal: AbortSignal
  }): Promise<StoredMedia>
  /** A link under `/media/` that works for this client for some minutes, and only while its grant lives. */
  signedUrl(mediaId: string, clientId: string, seconds?: number): { url: string; expiresAt: Date }
  open(storagePath: string, range?: { start: number; end: number }): Readable
}
