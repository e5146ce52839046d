import type { Database } from '../db/pool.ts'
import { ClientScope } from '../db/scoped.ts'
import type { Logger } from '../log.ts'
import { ToolError } from '../mcp/tool-error.ts'
import { tooLarge } from './acceptance.ts'
import { DiskFull, type MediaFiles, type Received, TooLarge } from './files.ts'
import { LARGEST, typeOfName } from './kinds.ts'
import type { StoreRequest } from './media.ts'
import { AddressRefused, BadAnswer, fetchOutside, type Outside } from './outside.ts'

/** The bytes of a source, and what they are said to be, likeliest first. */
export interface Incoming {
  readonly received: Received
  readonly claims: readonly (string | undefined)[]
}

/** @throws ToolError that names the field and the remedy. */
export type SourceReader = (request: StoreRequest) => Promise<Incoming>

const FETCH_DEADLINE_MS = 30_000

/** Takes a file from the open internet, from the call itself, or from what is stored already. */
export function createSourceReader(o: {
  sql: Database
  files: MediaFiles
  outside: Outside
  log: Logger
}): SourceReader {
  return async (request) => {
    const { url, base64, media_id: mediaId } = request.source
    if ([url, base64, mediaId].filter((one) => one !== undefined).length !== 1) {
      throw invalid('source must have exactly one of url, base64 and media_id.', 'Leave the others out.')
    }
    try {
      if (url !== undefined) return await fromUrl(url, request)
      if (base64 !== undefined) return await fromBase64(base64, request)
      return await fromStored(mediaId ?? '', request)
    } catch (error) {
      if (error instanceof TooLarge) throw tooLarge(request.kind, LARGEST[request.kind])
      if (error instanceof DiskFull) throw noRoom()
      throw error
    }
  }

  async function fromUrl(url: string, { kind, filename, signal }: StoreRequest): Promise<Incoming> {
    const bounded = AbortSignal.any([signal, AbortSignal.timeout(FETCH_DEADLINE_MS)])
    try {
      const response = await fetchOutside(url, bounded, o.outside)
      try {
        const received = await o.files.receive(response, LARGEST[kind])
        const { pathname } = new URL(url)
        return {
          received,
          claims: [response.headers['content-type'], typeOfName(filename), typeOfName(pathname)],
        }
      } finally {
        response.destroy()
      }
    } catch (error) {
      o.log.info({ err: error }, 'media_source_failed')
      throw fetchFailed(error)
    }
  }

  async function fromBase64(text: string, { kind, filename }: StoreRequest): Promise<Incoming> {
    if (Math.floor(text.length / 4) * 3 > LARGEST[kind] + 2) throw new TooLarge('as base64')
    if (text.length % 4 !== 0 || !/^[A-Za-z0-9+/]*={0,2}$/.test(text)) {
      throw invalid(
        'source.base64 is not base64.',
        'Give the bytes alone: no data: prefix, no line breaks, padded with =.',
      )
    }
    const received = await o.files.receive(once(Buffer.from(text, 'base64')), LARGEST[kind])
    return { received, claims: [typeOfName(filename)] }
  }

  /** Read with the client's own eyes; an inbound file also needs the right to read. */
  async function fromStored(mediaId: string, request: StoreRequest): Promise<Incoming> {
    const { clientId, numberId, readableNumberIds, kind } = request
    const scope = new ClientScope(o.sql, {
      clientId,
      numberIds: [...new Set([numberId, ...readableNumberIds])],
    })
    const [file] = await scope.read(
      (sql) => sql<{ numberId: string; direction: string; place: string; type: string }[]>`
        select phone_number_id as "numberId", direction, storage_path as place, mime_type as type
        from media_objects where id = ${mediaId} and status = 'stored'`,
    )
    const readable = file && (file.direction === 'outbound' || readableNumberIds.includes(file.numberId))
    if (!readable || (await o.files.sizeOf(file.place)) === undefined) throw notFound()
    return {
      received: await o.files.receive(o.files.read(file.place), LARGEST[kind]),
      claims: [file.type],
    }
  }
}

async function* once(bytes: Buffer): AsyncGenerator<Buffer> {
  yield bytes
}

/** Tells nothing of what was found behind a refused address. */
function fetchFailed(error: unknown): unknown {
  if (error instanceof TooLarge || error instanceof DiskFull) return error
  if (error instanceof AddressRefused) {
    return new ToolError('source.url is not a public https address.', {
      code: 'media_source_refused',
      category: 'media',
      hint: 'Give an https:// URL on the open internet, on port 443, or the file as base64.',
    })
  }
  const why = error instanceof BadAnswer ? `: ${error.message}` : ''
  return new ToolError(`source.url could not be fetched${why}.`, {
    code: 'media_source_unreachable',
    category: 'media',
    hint: 'Check that the URL works without a login, or give the file as base64.',
    retryable: true,
  })
}

function invalid(message: string, hint: string): ToolError {
  return new ToolError(message, { code: 'invalid_input', category: 'invalid_input', hint })
}

function notFound(): ToolError {
  return new ToolError('source.media_id names no stored file of this number.', {
    code: 'not_found',
    category: 'not_found',
    hint: 'Take a media_id from get_messages or get_media on the same number.',
  })
}

function noRoom(): ToolError {
  return new ToolError('The server has no room for files at the moment.', {
    code: 'storage_full',
    category: 'temporary',
    hint: 'Tell the operator; trying again helps only after space was freed.',
    retryable: true,
    retryAfterS: 600,
  })
}
