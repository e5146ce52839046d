import { expect, test } from 'vitest'
import { MIGRATIONS } from '../../../server/db/migrations.ts'

/** What the release before may still use. */
const TAKES_AWAY =
  /\b(drop\s+(table|column|view|function|type|role)|rename\s+(to|column)|set\s+not\s+null|alter\s+column\s+\w+\s+(set\s+data\s+)?type)\b/i
/** Above such a statement: since which release nobody needs it. */
const MARK = /^-- contract: \S/m

const faulty = (sql: string) => TAKES_AWAY.test(sql.replace(/--.*$/gm, '')) && !MARK.test(sql)

test('a migration takes nothing away that the release before uses, which may run on it', () => {
  expect(MIGRATIONS.filter(({ sql }) => faulty(sql)).map(({ name }) => name)).toEqual([])
})

test.each([
  ['drop table messages;', true],
  ['alter table messages rename column body to text;', true],
  ['alter table messages alter column body type bytea;', true],
  ['alter table messages alter body set not null;', true],
  ['-- contract: unused since 1.4\nalter table messages drop column body;', false],
  ['alter table messages add column mood text;\n-- rather than drop column body', false],
  ['create index on messages (mood);', false],
])('%j is refused: %s', (sql, refused) => {
  expect(faulty(sql)).toBe(refused)
})
