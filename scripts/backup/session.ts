import { randomUUID } from 'node:crypto'
import { Fail } from '../lib/fail.ts'
import { type PostgresTools, psqlCommand, startTool, type ToolOptions } from './postgres.ts'

/** One connection to the database, kept open. */
export interface Session {
  /**
   * Runs one statement. Values are text, SQL's null is null; they must not hold line breaks.
   * @throws {Fail} with what the database said; the session has ended then
   */
  query(sql: string): Promise<(string | null)[][]>
  /** Ends it, and with it whatever transaction is open. */
  end(): Promise<void>
}

const SEPARATOR = '\x1f'
const NULL = '\x1d'

/** The same text for the same value, whatever the server's or the role's own settings are. */
const SETTINGS = `set timezone = 'UTC'; set datestyle = 'ISO, YMD'; set intervalstyle = 'postgres';
set extra_float_digits = 1; set bytea_output = 'hex'; set client_encoding = 'UTF8'; set search_path = public;
set row_security = off; set lock_timeout = '60s'; set statement_timeout = 0; set idle_in_transaction_session_timeout = 0;`

/** Opens a psql that lives as long as its standard input, so it ends with this process. */
export function openSession(tools: PostgresTools, o: ToolOptions = {}): Session {
  const tool = startTool(tools, psqlCommand(tools, SEPARATOR, NULL), o)
  let waiting: { marker: string; resolve(text: string): void } | undefined
  let text = ''
  tool.stdout.setEncoding('utf8').on('data', (chunk: string) => {
    text += chunk
    if (waiting === undefined || !text.endsWith(`${waiting.marker}\n`)) return
    const { marker, resolve } = waiting
    const answer = text.slice(0, -marker.length - 1)
    waiting = undefined
    text = ''
    resolve(answer)
  })
  tool.stdin.write(`${SETTINGS}\n`)
  const ended = tool.done.then(() => {
    throw new Fail('the connection to the database was closed', { next: 'run the same command again' })
  })
  ended.catch(() => undefined)

  return {
    async query(sql) {
      if (waiting !== undefined) throw new Error('one statement at a time')
      const marker = randomUUID()
      const answer = new Promise<string>((resolve) => {
        waiting = { marker, resolve }
      })
      tool.stdin.write(`${sql};\n\\echo ${marker}\n`)
      const lines = (await Promise.race([answer, ended])).split('\n').slice(0, -1)
      return lines.map((line) => line.split(SEPARATOR).map((value) => (value === NULL ? null : value)))
    },
    async end() {
      tool.stdin.end()
      await tool.done
    },
  }
}
