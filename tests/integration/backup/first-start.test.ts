import { execFileSync } from 'node:child_process'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { COMPLETE_INIT, PSQL_FIRST } from '../../../scripts/lib/superuser.ts'
import { MISSING, type StandIn, startStandIn } from './stand-in.ts'

describe.skipIf(MISSING !== '')(`a volume whose first start was killed ${MISSING}`, () => {
  let standIn: StandIn

  beforeAll(async () => {
    standIn = await startStandIn()
  })
  afterAll(() => standIn?.remove())

  const complete = () =>
    execFileSync('docker', ['exec', '-i', standIn.container, ...PSQL_FIRST], {
      input: COMPLETE_INIT,
      stdio: ['pipe', 'pipe', 'pipe'],
      encoding: 'utf8',
    })
  const sql = (text: string) => standIn.exec('psql', '-XqAt', '-U', 'postgres', '-d', 'postgres', '-c', text)
  const databases = () => sql('select datname from pg_database where not datistemplate order by 1')
  const rules = () => sql("select count(*) from pg_hba_file_rules where address = 'all'")

  it('gets its database, and the rule that lets the server in', async () => {
    await standIn.exec('dropdb', '-U', 'postgres', '--force', 'wa_mcp')
    await standIn.exec('sh', '-c', 'sed -i "/^host all all all/d" "$PGDATA/pg_hba.conf"')
    expect(await rules()).toBe('0')
    complete()
    expect(await databases()).toBe('postgres\nwa_mcp')
    expect(await rules()).toBe('1')
    complete()
    expect(await rules()).toBe('1')
  })

  it('gets none where another might be the one with the data', async () => {
    await sql('alter database wa_mcp rename to kept')
    complete()
    expect(await databases()).toBe('kept\npostgres')
  })
})
