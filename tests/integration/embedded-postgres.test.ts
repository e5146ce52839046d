import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'
import { startPostgres } from '../../bootstrap/lib/embedded-postgres.ts'
import { connect } from '../../server/db/pool.ts'

const library = fileURLToPath(new URL('../../bootstrap/lib/embedded-postgres.ts', import.meta.url))

test('it wants its password, has the database, and leaves nothing behind', async () => {
  const dir = join(tmpdir(), `embedded-postgres-${process.pid}`)
  const postgres = await startPostgres({ dir, fsync: false })
  const url = new URL(`postgres://${postgres.host}:${postgres.port}/wa_mcp`)
  const sql = connect({ url, role: 'postgres', password: postgres.password, max: 1 })
  const [row] = await sql`select current_database() as name, datlocale as locale from pg_database
    where datname = current_database()`
  expect(row).toEqual({ name: 'wa_mcp', locale: 'C.UTF-8' })
  await sql.end()
  await Promise.all([postgres.stop(), postgres.stop()])
  expect(existsSync(dir)).toBe(false)
})

test('a directory in use is refused and left alone', async () => {
  const dir = mkdtempSync(join(tmpdir(), 'embedded-postgres-used-'))
  writeFileSync(join(dir, 'mine'), 'x')
  await expect(startPostgres({ dir })).rejects.toThrow('is not empty')
  expect(existsSync(join(dir, 'mine'))).toBe(true)
  rmSync(dir, { recursive: true })
})

test('signals, even several, end it without a trace', async () => {
  const dir = join(tmpdir(), `embedded-postgres-signal-${process.pid}`)
  const program = `const { startPostgres } = await import(${JSON.stringify(library)})
    const { port } = await startPostgres({ dir: ${JSON.stringify(dir)}, fsync: false })
    console.log(port); setInterval(() => {}, 1000)`
  const child = spawn(process.execPath, ['--input-type=module', '-e', program], {
    stdio: ['ignore', 'pipe', 'inherit'],
  })
  const ended = new Promise((resolve) => child.once('exit', (_code, signal) => resolve(signal)))
  await new Promise((resolve) => child.stdout.once('data', resolve))
  child.kill('SIGINT')
  setTimeout(() => child.kill('SIGINT'), 30)
  expect(await ended).toBe('SIGINT')
  expect(existsSync(dir)).toBe(false)
})
