import type { Queryable } from '../db/pool.ts'
import { secretRef, slug } from './checks.ts'
import { type Command, command } from './command.ts'
import { may, must } from './option.ts'
import { AdminError, type Report } from './report.ts'
import { table } from './table.ts'

interface NewApp {
  readonly name: string
  readonly secretRef: string
  readonly previousRef: string | undefined
  readonly verifyRef: string
}

function addApp(o: NewApp) {
  return async (sql: Queryable): Promise<Report> => {
    const added = await sql`
      insert into meta_apps (name, app_secret_ref, app_secret_previous_ref, verify_token_ref)
      values (${o.name}, ${o.secretRef}, ${o.previousRef ?? null}, ${o.verifyRef})
      on conflict do nothing`
    if (added.count === 0) throw new AdminError(`There is already a Meta app named ${o.name}. See apps list.`)
    return {
      data: {
        name: o.name,
        secret_ref: o.secretRef,
        previous_ref: o.previousRef ?? null,
        verify_ref: o.verifyRef,
      },
      text: `${o.name} may sign webhooks with ${o.secretRef}`,
      audit: { detail: { app: o.name, app_secret_ref: o.secretRef, verify_token_ref: o.verifyRef } },
    }
  }
}

async function listApps(sql: Queryable): Promise<Report> {
  const rows = await sql<
    { name: string; secret_ref: string; previous_ref: string | null; verify_ref: string; numbers: number }[]
  >`
    select name, app_secret_ref as secret_ref, app_secret_previous_ref as previous_ref, verify_token_ref as verify_ref,
      (select count(*)::int from phone_numbers n where n.meta_app_id = a.id) as numbers
    from meta_apps a order by created_at, name`
  return {
    data: [...rows],
    text: table(
      ['NAME', 'APP SECRET', 'PREVIOUS', 'VERIFY TOKEN', 'NUMBERS'],
      rows.map((row) => [
        row.name,
        row.secret_ref,
        row.previous_ref ?? '-',
        row.verify_ref,
        String(row.numbers),
      ]),
    ),
  }
}

export const appCommands: readonly Command[] = [
  command({
    name: 'apps add',
    summary: 'accepts webhooks signed by another Meta app',
    audited: 'with',
    options: {
      name: must('NAME', 'kebab-case', slug),
      'secret-ref': must('REF', 'its app secret: secrets://wa_app_secret_<app>', secretRef),
      'previous-ref': may('REF', 'its app secret before the last reset', secretRef),
      'verify-ref': must('REF', 'its verify token: secrets://wa_webhook_verify_token_<app>', secretRef),
    },
    run: (o) => (context) =>
      addApp({
        name: o.name,
        secretRef: o['secret-ref'],
        previousRef: o['previous-ref'],
        verifyRef: o['verify-ref'],
      })(context.sql),
  }),
  command({
    name: 'apps list',
    summary: 'shows the Meta apps and where their secrets are',
    audited: 'not',
    options: {},
    run: () => (context) => listApps(context.sql),
  }),
]
