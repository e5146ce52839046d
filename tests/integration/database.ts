import { randomBytes } from 'node:crypto'
import { inject } from 'vitest'
import { Secret } from '../../secrets/secret.ts'
import { migrate } from '../../server/db/migrate.ts'
import { connect, type Database } from '../../server/db/pool.ts'

/** Roles belong to the whole cluster, so every test file must give them the same passwords. */
export const PASSWORDS = { owner: new Secret('0a'.repeat(24)), app: new Secret('0b'.repeat(24)) }

export interface TestDatabase {
  /** Without user and password, as DATABASE_URL is. */
  readonly url: URL
  readonly superuserPassword: Secret
  /** Connected as superuser, to look at what really is there. */
  readonly sql: Database
  migrate(): Promise<string[]>
  /** Runs what changes roles. They belong to the whole cluster, so two test files at once would update the same rows. */
  exclusively<T>(work: () => Promise<T>): Promise<T>
  drop(): Promise<void>
}

interface Server {
  readonly url: URL
  readonly password: Secret
}

function parse(databaseUrl: string): Server {
  const url = new URL(databaseUrl)
  const password = new Secret(decodeURIComponent(url.password))
  url.username = ''
  url.password = ''
  return { url, password }
}

const administer = ({ url, password }: Server) =>
  connect({ url, role: 'postgres', password, max: 1, maxLifetime: null })

const freshName = () => `test_${randomBytes(6).toString('hex')}`

const migrateAt = (databaseUrl: URL, superuserPassword: Secret) =>
  migrate({
    ...{ databaseUrl, superuserPassword },
    ...{ ownerPassword: PASSWORDS.owner, appPassword: PASSWORDS.app },
  })

/** A migrated database for others to be copied from, which takes a tenth of the time of migrating each. */
export async function createTemplate(databaseUrl: string): Promise<{ name: string; drop(): Promise<void> }> {
  const server = parse(databaseUrl)
  const admin = administer(server)
  const name = freshName()
  await admin`create database ${admin(name)}`
  await migrateAt(new URL(`/${name}`, server.url), server.password)
  await admin.end({ timeout: 1 })
  return {
    name,
    drop: async () => {
      const admin = administer(server)
      await admin`drop database ${admin(name)} with (force)`
      await admin.end({ timeout: 1 })
    },
  }
}

/** A fresh database of its own for a test file; `migrate` has little left to do, unless it is to be empty. */
export async function createDatabase(o: { isEmpty?: boolean } = {}): Promise<TestDatabase> {
  const server = parse(inject('databaseUrl'))
  const admin = administer(server)
  const name = freshName()
  const template = admin(o.isEmpty ? 'template0' : inject('template'))
  await admin`create database ${admin(name)} template ${template} strategy file_copy`
  const url = new URL(`/${name}`, server.url)
  const sql = connect({ url, role: 'postgres', password: server.password, max: 2 })
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    await admin`select pg_advisory_lock(1)`
    return await work().finally(() => admin`select pg_advisory_unlock(1)`)
  }
  return {
    ...{ url, sql, exclusively, superuserPassword: server.password },
    migrate: () => exclusively(() => migrateAt(url, server.password)),
    drop: async () => {
      await sql.end({ timeout: 1 })
      await admin`drop database ${admin(name)} with (force)`
      await admin.end({ timeout: 1 })
    },
  }
}
