import { mkdtempSync, statfsSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../bootstrap/lib/embedded-postgres.ts'
import { createTemplate } from './database.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a superuser named `postgres`, with its password. */
    databaseUrl: string
    /** A migrated database to copy. */
    template: string
  }
}

/** One Postgres for the whole run: TEST_DATABASE_URL when it is set, else the embedded one. */
export default async function setup({ provide }: TestProject): Promise<() => Promise<void>> {
  const { url, stop } = await givenOrEmbedded()
  const template = await createTemplate(url)
  provide('databaseUrl', url)
  provide('template', template.name)
  return async () => {
    await template.drop()
    await stop()
  }
}

async function givenOrEmbedded(): Promise<{ url: string; stop(): Promise<void> }> {
  const given = process.env.TEST_DATABASE_URL
  if (given) return { url: given, stop: async () => {} }
  const dir = mkdtempSync(join(hasRoom('/dev/shm') ? '/dev/shm' : tmpdir(), 'whatsapp-mcp-postgres-'))
  const { host, port, password, stop } = await startPostgres({ dir, fsync: false })
  return { url: `postgres://postgres:${password.reveal()}@${host}:${port}/wa_mcp`, stop }
}

/** In memory, where there is enough: on disk, a file system that is slow to forget files spends a tenth of the run on databases. */
function hasRoom(path: string): boolean {
  try {
    const { bavail, bsize } = statfsSync(path)
    return bavail * bsize > 4 * 2 ** 30
  } catch {
    return false
  }
}
