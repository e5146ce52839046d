import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../bootstrap/lib/embedded-postgres.ts'

declare module 'vitest' {
  interface ProvidedContext {
    /** Of a superuser named `postgres`, with its password. */
    databaseUrl: string
  }
}

/** One Postgres for the whole run: TEST_DATABASE_URL when it is set, else the embedded one. */
export default async function setup({ provide }: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env.TEST_DATABASE_URL
  if (given) {
    provide('databaseUrl', given)
    return undefined
  }
  const postgres = await startPostgres({ fsync: false })
  const { host, port, password } = postgres
  provide('databaseUrl', `postgres://postgres:${password.reveal()}@${host}:${port}/wa_mcp`)
  return () => postgres.stop()
}
