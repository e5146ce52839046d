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

/** A fresh, empty database of its own for a test file. */
export async function createDatabase(): Promise<TestDatabase> {
  const given = new URL(inject('databaseUrl'))
  const superuserPassword = new Secret(decodeURIComponent(given.password))
  given.username = ''
  given.password = ''
  const admin = connect({
    url: given,
    role: 'postgres',
    password: superuserPassword,
    max: 1,
    maxLifetime: null,
  })
  const name = `test_${randomBytes(6).toString('hex')}`
  await admin`create database ${admin(name)}`
  const url = new URL(`/${name}`, given)
  const sql = connect({ url, role: 'postgres', password: superuserPassword, max: 2 })
  const exclusively = async <T>(work: () => Promise<T>): Promise<T> => {
    await admin`select pg_advisory_lock(1)`
    return await work().finally(() => admin`select pg_advisory_unlock(1)`)
  }
  return {
    url,
    superuserPassword,
    sql,
    exclusively,
    migrate: () =>
      exclusively(() =>
        migrate({
          databaseUrl: url,
          superuserPassword,
          ownerPassword: PASSWORDS.owner,
          appPassword: PASSWORDS.app,
        }),
      ),
    drop: async () => {
      await sql.end({ timeout: 1 })
      await admin`drop database ${admin(name)} with (force)`
      await admin.end({ timeout: 1 })
    },
  }
}
