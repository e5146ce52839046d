import { randomUUID } from 'node:crypto'
import type { Database } from '../db/pool.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { acceptedType } from './acceptance.ts'
import type { MediaFiles, Received } from './files.ts'
import { extensionsOf } from './kinds.ts'
import type { StoredMedia, StoreRequest } from './media.ts'
import type { SourceReader } from './source.ts'

/** Takes outbound files in, and gives the same file the same row, so that a repeated call asks for the same message. */
export class OutboundFiles {
  readonly #sql: Database
  readonly #numbers: Numbers
  readonly #files: MediaFiles
  readonly #read: SourceReader

  constructor(o: { sql: Database; numbers: Numbers; files: MediaFiles; read: SourceReader }) {
    this.#sql = o.sql
    this.#numbers = o.numbers
    this.#files = o.files
    this.#read = o.read
  }

  /** Everything `store` checks, and nothing kept. @throws ToolError */
  async check(request: StoreRequest): Promise<{ mimeType: string; sizeBytes: number }> {
    const { received, claims } = await this.#read(request)
    try {
      return { mimeType: await acceptedType(received, claims, request.kind), sizeBytes: received.sizeBytes }
    } finally {
      await this.#files.discard(received)
    }
  }

  /** @throws ToolError */
  async store(request: StoreRequest): Promise<StoredMedia> {
    const { received, claims } = await this.#read(request)
    try {
      return await this.#keep(request, received, await acceptedType(received, claims, request.kind))
    } finally {
      await this.#files.discard(received)
    }
  }

  async #keep(request: StoreRequest, received: Received, mimeType: string): Promise<StoredMedia> {
    const { clientId, numberId, kind, filename = null } = request
    const number = await this.#numbers.byId(numberId)
    if (number === undefined) throw new Error('a file for a number that does not exist')
    const { sha256, sizeBytes } = received
    const { id, place } = await this.#sql.begin(async (sql) => {
      await sql`select pg_advisory_xact_lock(hashtextextended(${clientId + sha256.toString('hex')}, 1))`
      const [known] = await sql<{ id: string; place: string }[]>`
        select id, storage_path as place from media_objects
        where client_id = ${clientId} and sha256 = ${sha256} and direction = 'outbound' and status = 'stored'
          and phone_number_id = ${numberId} and kind = ${kind} and mime_type = ${mimeType}
          and filename is not distinct from ${filename}
        order by id limit 1`
      if (known && (await this.#files.sizeOf(known.place)) === sizeBytes) return known
      const id = randomUUID()
      const extension = extensionsOf(mimeType)[0] ?? 'bin'
      const place = await this.#files.keep(received, {
        waNumberId: number.waId,
        id,
        extension,
        at: new Date(),
      })
      await sql`
        insert into media_objects (id, phone_number_id, client_id, direction, kind, status, mime_type, filename, size_bytes,
          sha256, storage_path, stored_at)
        values (${id}, ${numberId}, ${clientId}, 'outbound', ${kind}, 'stored', ${mimeType}, ${filename}, ${sizeBytes},
          ${sha256}, ${place}, now())`
      return { id, place }
    })
    return {
      id,
      phoneNumberId: numberId,
      kind,
      mimeType,
      sizeBytes,
      sha256: sha256.toString('hex'),
      filename,
      path: this.#files.pathOf(place),
    }
  }
}
