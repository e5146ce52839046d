import { randomUUID } from 'node:crypto'
import { afterAll, afterEach, beforeAll, beforeEach, expect, test } from 'vitest'
import type { Identity } from '../../../server/auth/identity.ts'
import { createRequestLimits, type RequestLimits } from '../../../server/auth/limits.ts'
import { connect, type Database } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { createDatabase, PASSWORDS, type TestDatabase } from '../database.ts'
import { type Door, startDoor } from '../door.ts'

let db: TestDatabase
let door: Door
let sql: Database
let open: RequestLimits[]
let now: number
let lines: string[]
let identity: Identity

beforeAll(async () => {
  db = await createDatabase()
  await db.migrate()
  door = await startDoor(db.url)
  sql = connect({ url: door.url, role: 'wa_app', password: PASSWORDS.app })
})
afterAll(async () => {
  await sql?.end({ timeout: 1 })
  await door?.shut()
  await db?.drop()
})

beforeEach(() => {
  open = []
  lines = []
  now = Date.UTC(2026, 5, 1, 12)
  identity = {
    ...{ keyId: randomUUID(), clientId: randomUUID(), clientName: 'desk', isOwner: false },
    ...{ scopes: [], rpmLimit: 60, dailyMsgLimit: 1 },
  }
})
afterEach(() => Promise.all(open.map((limits) => limits.close())))

/** As one process of the server has it. */
function start(): RequestLimits {
  const log = createLogger('warn', { write: (line) => void lines.push(line) })
  const limits = createRequestLimits({ sql, log, now: () => now })
  open.push(limits)
  return limits
}

/** How many of `count` requests are let through. */
async function passed(limits: RequestLimits, count: number): Promise<number> {
  const answers = await Promise.all(Array.from({ length: count }, () => limits.admit(identity)))
  return answers.filter(({ ok }) => ok).length
}

test('D4.5 the 61st request in a minute at rpm 60 is refused, with the time after which it is not', async () => {
  const limits = start()
  expect(await passed(limits, 60)).toBe(60)
  now += 10_000
  expect(await limits.admit(identity)).toEqual({ ok: false, retryAfterS: 50 })
  expect(await limits.admit({ ...identity, keyId: randomUUID() })).toEqual({ ok: true })
  now += 50_000
  expect(await limits.admit(identity)).toEqual({ ok: true })
})

test('D4.5 a restart does not give the minute back', async () => {
  const before = start()
  expect(await passed(before, 45)).toBe(45)
  await before.close()
  expect(await passed(start(), 60)).toBe(15)
})

test('D4.5 processes share the minute', async () => {
  const [one, other] = [start(), start()]
  expect([await passed(one, 20), await passed(other, 20)]).toEqual([20, 20])
  const stored = async () => {
    const rows =
      await db.sql`select sum(count)::int as sum from rate_limit_buckets where scope_id = ${identity.keyId}`
    return rows[0]?.sum
  }
  await expect.poll(stored).toBe(40)
  // Each has to hear of the other's once more.
  await new Promise((resolve) => setTimeout(resolve, 600))
  expect(await passed(one, 60)).toBe(20)
  await expect.poll(stored).toBe(60)
  await expect.poll(() => other.admit(identity)).toMatchObject({ ok: false })
})

test('without the database the limit holds all the same, and is made up for afterwards', async () => {
  const limits = start()
  expect(await passed(limits, 1)).toBe(1)
  await door.shut()
  try {
    expect(await passed(limits, 100)).toBe(59)
    const stranger = { ...identity, keyId: randomUUID() }
    expect(await limits.admit(stranger)).toEqual({ ok: true })
    await expect.poll(() => lines.join(), { timeout: 6_000 }).toContain('request_counts_not_exchanged')
  } finally {
    await door.open()
  }
  const stored = () =>
    db.sql`select sum(count)::int as sum from rate_limit_buckets where scope_id = ${identity.keyId}`
  await expect.poll(stored, { timeout: 5_000 }).toEqual([{ sum: 60 }])
})

test('stdio has no key and no limit', async () => {
  identity = { ...identity, keyId: null, rpmLimit: 1 }
  expect(await passed(start(), 5)).toBe(5)
})
