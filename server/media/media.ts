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

/** An outbound file on its way in. */
export interface StoreRequest {
  readonly clientId: string
  /** `phone_numbers.id` of the number it will be sent from. */
  readonly numberId: string
  readonly kind: MediaKind
  readonly source: MediaSource
  readonly filename: string | undefined
  /** Numbers whose inbound files the client may pass on. */
  readonly readableNumberIds: readonly string[]
  readonly signal: AbortSignal
}

export interface Media {
  /** Stores an outbound file for a client. The same file again is the same row. @throws ToolError for a bad source, type or size. */
  store(request: StoreRequest): Promise<StoredMedia>
  /** Looks at the file as `store` does and keeps nothing. @throws ToolError */
  check(request: StoreRequest): Promise<{ mimeType: string; sizeBytes: number }>
  /** A link under `/media/` that works for this client for some minutes, and only while its grant lives. */
  signedUrl(mediaId: string, clientId: string, seconds?: number): { url: string; expiresAt: Date }
  open(storagePath: string, range?: { start: number; end: number }): Readable
}
