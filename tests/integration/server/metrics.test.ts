import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import { closeAuditSegment } from '../../../server/audit/archive.ts'
import { createAudit } from '../../../server/audit/writer.ts'
import { Listener } from '../../../server/db/listener.ts'
import { SCHEMA } from '../../../server/db/migrations.ts'
import { connect } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { serveMetrics } from '../../../server/metrics/serve.ts'
import { Numbers } from '../../../server/numbers/numbers.ts'
import { Vault } from '../../../server/numbers/vault.ts'
import { PASSWORDS } from '../database.ts'
import { startDoor } from '../door.ts'
import { addClient, addNumber } from './fixtures.ts'
import { type Harness, SECRETS, startHarness } from './harness.ts'

let harness: Harness
let origin: string

beforeAll(async () => {
  harness = await startHarness(() => ({ metrics: { bind: '127.0.0.1', port: 0 } }))
  const listening = harness.logs.find(({ msg }) => msg === 'metrics_listening')
  origin = `http://127.0.0.1:${listening?.port}`
})
afterAll(() => harness?.stop())

const scrape = async (from = origin) => {
  const response = await fetch(`${from}/metrics`)
  expect([response.status, response.headers.get('content-type')]).toEqual([
    200,
    'text/plain; version=0.0.4; charset=utf-8',
  ])
  return await response.text()
}
const health = async (from = origin) => {
  const response = await fetch(`${from}/health`)
  return { status: response.status, body: (await response.json()) as Record<string, unknown> }
}

test('the public port knows neither the metrics nor the details', async () => {
  expect((await fetch(`${harness.origin}/metrics`)).status).toBe(404)
  expect(await (await fetch(`${harness.origin}/health`)).json()).toEqual({ ok: true })
  expect((await fetch(`${origin}/mcp`, { method: 'POST' })).status).toBe(404)
})

test('an audit log that was never archived is behind since its first row', async () => {
  const { sql } = harness.db
  const audit = createAudit({ sql, log: createLogger('silent') })
  await audit.record({ action: 'test', outcome: 'ok', transport: 'system' })
  await sql`update audit_log set ts = now() - interval '2 hours'`
  expect(Number(/^wa_audit_lag_seconds (.+)$/m.exec(await scrape())?.[1])).toBeGreaterThanOrEqual(7_200)
})

test('gauges are read at the moment of the scrape', async () => {
  await harness.db
    .sql`insert into outbox (name, data, state) values ('wa/templates.sync.requested', '{"wabaId":"1"}', 'dead')`
  const { sql, ...rest } = { sql: harness.db.sql, dir: harness.config.auditDir, log: createLogger('silent') }
  await closeAuditSegment({ sql, ...rest })
  await sql`update audit_segments set closed_at = now() - interval '1 hour'`
  const text = await scrape()
  expect(text).toMatch(/^wa_database_up 1$/m)
  expect(text).toMatch(/^wa_outbox_rows\{state="dead"\} 1$/m)
  expect(text).toMatch(/^wa_outbox_oldest_seconds \d/m)
  expect(text).toMatch(/^wa_mcp_sessions\{kind="session"\} 0$/m)
  expect(Number(/^wa_audit_lag_seconds (.+)$/m.exec(text)?.[1])).toBeGreaterThanOrEqual(3_600)
  await fetch(`${harness.origin}/livez`)
  await expect
    .poll(() => scrape())
    .toMatch(/^wa_http_requests_total\{route="\/livez",method="GET",status="200"\} \d/m)
})

test('the details name what an operator has to mend: paused numbers, tokens that are not there, what waits', async () => {
  const owner = await addClient(harness.db.sql, 'numbers-owner')
  const live = await addNumber(harness.db.sql, owner, { label: 'Live' })
  const paused = await addNumber(harness.db.sql, owner, { label: 'Paused', waId: '104857600000001' })
  const orphan = await addNumber(harness.db.sql, owner, {
    label: 'Orphan',
    waId: '104857600000002',
    tokenRef: 'secrets://wa_access_token_x',
  })
  await harness.db
    .sql`update phone_numbers set paused_at = now(), paused_reason = 'token refused' where id = ${paused.id}`
  await harness.db
    .sql`insert into webhook_events (sha256, body, received_at) values (sha256('x'), 'x', now() - interval '1 minute')`
  await harness.db.sql`insert into meta_apps (name, app_secret_ref, verify_token_ref)
    values ('second', 'secrets://wa_app_secret_second', 'secrets://wa_webhook_verify_token_second')`
  await expect
    .poll(async () => (await health()).body, { timeout: 5_000 })
    .toMatchObject({
      ok: true,
      database: 'up',
      schema: { expected: SCHEMA, applied: SCHEMA },
      outbox: { dead: 1, held: 0 },
      numbers: [
        { phone_number_id: live.waId, state: 'live', reason: null },
        { phone_number_id: paused.waId, label: 'Paused', state: 'paused', reason: 'token refused' },
        {
          phone_number_id: orphan.waId,
          state: 'token_missing',
          reason: 'secrets://wa_access_token_x is not on this host',
        },
      ],
      apps_without_secret: ['second'],
    })
  const { body } = await health()
  expect((body.events as { oldest_seconds: number }).oldest_seconds).toBeGreaterThanOrEqual(60)
  await writeFile(join(harness.secretsDir, 'wa_access_token_x'), 'access-token-canary-0123456789')
  expect((await health()).body).toMatchObject({ numbers: [{}, {}, { state: 'live' }] })
  const everything = JSON.stringify((await health()).body) + (await scrape())
  for (const secret of Object.values(SECRETS)) expect(everything).not.toContain(secret.reveal())
  expect(everything).not.toContain('canary')
})

test('without the database the details say so, and the metrics of the process are still there', async () => {
  const door = await startDoor(harness.db.url)
  const access = { url: door.url, role: 'wa_app', password: PASSWORDS.app } as const
  const [sql, listener] = [connect(access), new Listener(access)]
  const numbers = new Numbers({ sql, listener, vault: new Vault(harness.secretsDir) })
  const log = createLogger('silent')
  const server = await serveMetrics({ bind: '127.0.0.1', port: 0, sql, numbers, log })
  const from = `http://127.0.0.1:${server.port}`
  expect(await health(from)).toMatchObject({ status: 200 })
  await door.shut()
  expect(await health(from)).toMatchObject({ status: 503, body: { ok: false, database: 'down' } })
  expect(await scrape(from)).toMatch(/^wa_database_up 0$/m)
  await door.open()
  await expect.poll(async () => (await health(from)).status, { timeout: 5_000 }).toBe(200)
  await server.close()
  await Promise.all([listener.close(), sql.end({ timeout: 1 })])
  await door.shut()
})

test('another schema than ours is not well', async () => {
  await harness.db.sql`insert into schema_migrations (name, checksum) values ('9999_later', 'x')`
  expect(await health()).toMatchObject({
    status: 503,
    body: { ok: false, schema: { applied: '9999_later' } },
  })
  await harness.db.sql`delete from schema_migrations where name = '9999_later'`
  expect(await health()).toMatchObject({ status: 200, body: { ok: true } })
})
