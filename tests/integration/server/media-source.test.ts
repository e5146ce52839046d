import { randomBytes } from 'node:crypto'
import { readdir } from 'node:fs/promises'
import { createServer, request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { Listener } from '../../../server/db/listener.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { MediaFiles } from '../../../server/media/files.ts'
import { LARGEST } from '../../../server/media/kinds.ts'
import type { StoreRequest } from '../../../server/media/media.ts'
import { createSourceReader } from '../../../server/media/source.ts'
import { OutboundFiles } from '../../../server/media/store.ts'
import { Numbers } from '../../../server/numbers/numbers.ts'
import { Vault } from '../../../server/numbers/vault.ts'
import { PNG } from '../../unit/server/media-samples.ts'
import { addClient, addNumber, type TestClient, type TestNumber } from './fixtures.ts'
import { type Harness, startHarness } from './harness.ts'

let harness: Harness
let client: TestClient
let number: TestNumber

beforeAll(async () => {
  harness = await startHarness()
  client = await addClient(harness.db.sql, 'anna')
  number = await addNumber(harness.db.sql, client)
})
afterAll(() => harness?.stop())

describe('files by URL', () => {
  let server: Server
  let sql: Database
  let listener: Listener
  let outbound: OutboundFiles
  let reply: { status?: number; headers?: Record<string, string>; bytes: Buffer }

  beforeAll(async () => {
    server = createServer((_, res) => res.writeHead(reply.status ?? 200, reply.headers).end(reply.bytes))
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const database = {
      url: harness.config.databaseUrl,
      role: 'wa_app',
      password: harness.config.databasePassword,
    } as const
    sql = connect(database)
    listener = new Listener(database)
    const files = new MediaFiles(harness.config.mediaRoot)
    const read = createSourceReader({
      sql,
      files,
      log: createLogger('silent'),
      outside: {
        resolve: async () => ['127.0.0.1'],
        allows: (address) => address === '127.0.0.1',
        get: (options, signal) =>
          new Promise((resolve, reject) =>
            request({ ...options, signal }, resolve)
              .once('error', reject)
              .end(),
          ),
      },
    })
    const vault = new Vault(harness.secretsDir)
    outbound = new OutboundFiles({ sql, files, read, numbers: new Numbers({ sql, vault, listener }) })
  })
  afterAll(async () => {
    server?.close()
    await listener?.close()
    await sql?.end()
  })

  const store = (o: Partial<StoreRequest> & { path?: string } = {}) =>
    outbound.store({
      clientId: client.id,
      numberId: number.id,
      kind: 'image',
      source: { url: `https://open.test:${(server.address() as AddressInfo).port}/${o.path ?? 'a.png'}` },
      filename: undefined,
      readableNumberIds: [],
      signal: AbortSignal.timeout(5_000),
      ...o,
    })

  test('a file is fetched, whatever its server calls it', async () => {
    reply = { bytes: PNG, headers: { 'content-type': 'text/html' } }
    expect(await store()).toMatchObject({ mimeType: 'image/png', sizeBytes: PNG.length })
  })

  test('D6.2 one that is too large is broken off, announced or not', async () => {
    const bytes = Buffer.concat([PNG, Buffer.alloc(LARGEST.image)])
    reply = { bytes }
    await expect(store()).rejects.toMatchObject({ code: 'media_too_large' })
    reply = { bytes, headers: { 'transfer-encoding': 'chunked' } }
    await expect(store()).rejects.toMatchObject({ code: 'media_too_large' })
    expect(await readdir(join(harness.config.mediaRoot, '.tmp'))).toEqual([])
  })

  test('an error page is no file', async () => {
    reply = { bytes: PNG, status: 404 }
    await expect(store()).rejects.toMatchObject({ code: 'media_source_unreachable', retryable: true })
  })

  test('the same file stored at the same time is one row', async () => {
    reply = { bytes: Buffer.concat([PNG, randomBytes(8)]) }
    const ids = await Promise.all([store(), store(), store()].map(async (stored) => (await stored).id))
    expect(new Set(ids).size).toBe(1)
  })
})
