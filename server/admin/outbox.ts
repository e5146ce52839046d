import {
  discardOutbox,
  holdOutbox,
  listOutbox,
  OUTBOX_STATES,
  releaseOutbox,
  retryOutbox,
} from '../jobs/admin.ts'
import { integer, oneOf } from './checks.ts'
import { type AdminContext, type Command, command, type Work } from './command.ts'
import { flag, may } from './option.ts'
import { AdminError, UsageError } from './report.ts'
import { moment, table } from './table.ts'

const HEAD = ['ID', 'EVENT', 'STATE', 'TRIES', 'DUE (UTC)', 'DATA', 'LAST ERROR']
const rowId = integer(1, Number.MAX_SAFE_INTEGER)
const ID = { placeholder: 'ID', read: (text: string, label: string) => String(rowId(text, label)) }

/** Changes one row, or says why not. */
function change(
  id: string,
  done: string,
  act: (sql: AdminContext['sql'], id: number) => Promise<boolean>,
): Work {
  return async ({ sql }) => {
    if (!(await act(sql, Number(id)))) {
      throw new AdminError(`There is no row ${id} that waits; it may be done, or running. See outbox show.`)
    }
    return {
      data: { id: Number(id), state: done },
      text: `${id} ${done}`,
      audit: { detail: { row_id: Number(id) } },
    }
  }
}

/** Changes all rows it applies to. */
function changeAll(done: string, act: (sql: AdminContext['sql']) => Promise<number>): Work {
  return async ({ sql }) => {
    const rows = await act(sql)
    return { data: { rows }, text: `${rows} rows ${done}`, audit: { detail: { rows } } }
  }
}

export const outboxCommands: readonly Command[] = [
  command({
    name: 'outbox show',
    summary: 'shows what waits to be done, newest first',
    audited: 'not',
    options: {
      state: may('STATE', OUTBOX_STATES.join(', '), oneOf(...OUTBOX_STATES)),
      lines: may('COUNT', 'how many, default 50', integer(1, 10_000)),
    },
    run:
      ({ state, lines }) =>
      async ({ sql }) => {
        const rows = await listOutbox(sql, { state, ...(lines !== undefined && { limit: lines }) })
        const cells = rows.map((row) => [
          ...[String(row.id), row.name, row.state, String(row.attempts), moment(row.run_after)],
          ...[JSON.stringify(row.data), row.last_error ?? '-'],
        ])
        return { data: rows, text: table(HEAD, cells) }
      },
  }),
  command({
    name: 'outbox retry',
    summary: 'makes a row due now, with all its tries',
    audited: 'with',
    argument: ID,
    options: {},
    run: (_, id) => change(id, 'ready', retryOutbox),
  }),
  command({
    name: 'outbox discard',
    summary: 'removes a row, so that it is never done',
    audited: 'with',
    argument: ID,
    options: {},
    run: (_, id) => change(id, 'discarded', discardOutbox),
  }),
  command({
    name: 'outbox hold',
    summary: 'keeps everything from being done',
    audited: 'with',
    options: {},
    run: () => changeAll('held', holdOutbox),
  }),
  command({
    name: 'outbox release',
    summary: 'lets what is held be done, after a restore too: one row, or all of them',
    audited: 'with',
    argument: { ...ID, optional: true },
    options: { all: flag('everything that is held') },
    run: ({ all }, id) => {
      if (all === (id !== '')) throw new UsageError('outbox release needs either ID or --all.')
      if (all) return changeAll('ready', releaseOutbox)
      return change(id, 'ready', async (sql, row) => (await releaseOutbox(sql, row)) === 1)
    },
  }),
]
