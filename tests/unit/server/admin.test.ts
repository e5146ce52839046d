import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import * as checks from '../../../server/admin/checks.ts'
import { adminOverview, groupHelp, isAdminGroup, runAdmin } from '../../../server/admin/cli.ts'
import { usageOf } from '../../../server/admin/command.ts'
import { COMMANDS } from '../../../server/admin/commands.ts'
import { UsageError } from '../../../server/admin/report.ts'
import { table } from '../../../server/admin/table.ts'

beforeEach(() => void vi.useFakeTimers({ now: new Date('2026-11-20T12:00:00Z'), toFake: ['Date'] }))
afterEach(() => void vi.useRealTimers())

test('a time ahead is a number of days, hours or minutes, or a future date', () => {
  const future = (text: string) => checks.future(text, '--expires')
  expect(future('90d').toISOString()).toBe('2027-02-18T12:00:00.000Z')
  expect(future('2h').toISOString()).toBe('2026-11-20T14:00:00.000Z')
  expect(future('2027-01-31').toISOString()).toBe('2027-01-31T00:00:00.000Z')
  for (const bad of ['', '0d', '-1d', '90', 'soon', '2026-11-20', '99999d', '12 Jan 2031'])
    expect(() => future(bad)).toThrow('--expires')
  expect(checks.past('15m', '--since').toISOString()).toBe('2026-11-20T11:45:00.000Z')
  for (const bad of ['2027-01-31', 'yesterday', ''])
    expect(() => checks.past(bad, '--since')).toThrow('--since')
})

test.each([
  ['tools:send_message, numbers:104857600000001', ['tools:send_message', 'numbers:104857600000001']],
  ['*', ['*']],
  ['tools:ping,tools:ping', ['tools:ping']],
])('scopes %j are read as %j', (text, expected) => {
  expect(checks.list(checks.scope)(text, '--scopes')).toEqual(expected)
})

test.each([
  '',
  'tools:*',
  'numbers:*',
  'tools:',
  'tools:Send',
  'numbers:+1555',
  'admin',
  '*,',
  '**',
  'tools:a;b',
])('the scopes %j are refused', (text) =>
  expect(() => checks.list(checks.scope)(text, '--scopes')).toThrow(UsageError),
)

test('a refused value is not repeated: it may be a secret in the wrong place', () => {
  const canary = 'EAAcanary0123456789'
  const all = [
    checks.slug,
    checks.metaId,
    checks.uuid,
    checks.phone,
    checks.secretRef,
    checks.integer(1, 2),
    checks.scope,
  ]
  for (const check of [
    ...all,
    checks.duration,
    checks.future,
    checks.past,
    checks.toolName,
    checks.oneOf('a'),
  ]) {
    expect(() => check(canary, '--x')).toThrow(UsageError)
    expect(() => check(canary, '--x')).toThrow(/^--x is/)
    expect(() => check(canary, '--x')).not.toThrow(canary)
  }
})

const noConfig = () => {
  throw new Error('the configuration was read')
}

test.each([
  [[], 'no such command'],
  [['keys'], 'keys mint --client NAME'],
  [['keys', 'mint', '--client', 'desk'], '--label is missing'],
  [['keys', 'mint', '--client', 'desk', '--label', 'x', 'canary'], 'more arguments'],
  [['keys', 'mint', '--canary'], 'the option --canary is unknown'],
  [['keys', 'revoke'], 'keys revoke needs ID'],
  [['keys', 'revoke', '7'], 'ID is an id such as'],
  [['numbers', 'add', '--phone-id', '+15550001111'], 'not the phone number'],
  [
    ['numbers', 'rotate-token', '--phone-id', '104857600000001', '--token-ref', 'EAAcanary'],
    'scripts/secrets.ts set wa_access',
  ],
  [['usage', '--days', 'x'], '--days is a whole number'],
])('%j is wrong before anything is asked of the database', async (args, message) => {
  const error = await runAdmin(args, noConfig).then(
    () => undefined,
    (reason: unknown) => reason,
  )
  expect(error).toBeInstanceOf(UsageError)
  expect((error as Error).message).toContain(message)
  expect((error as Error).message).not.toContain('EAAcanary')
})

test('the help of every group names every command and option of it', () => {
  for (const command of COMMANDS) {
    const group = command.name.split(' ')[0] ?? ''
    expect(isAdminGroup(group)).toBe(true)
    expect(adminOverview()).toContain(group)
    expect(groupHelp(group)).toContain(usageOf(command))
    for (const { help } of Object.values(command.options)) expect(groupHelp(group)).toContain(help)
  }
  expect(new Set(COMMANDS.map(({ name }) => name)).size).toBe(COMMANDS.length)
})

test('whatever changes something is audited', () => {
  const reading = /^(\S+ (check|list|probe|show|tail|verify)|usage)$/
  for (const { name, audited } of COMMANDS)
    expect([name, audited === 'not']).toEqual([name, reading.test(name)])
})

test('a table is as wide as its cells, without blanks at the end', () => {
  expect(table(['A', 'LONG'], [['wide', 'x'], []])).toBe('A     LONG\nwide  x\n')
})
