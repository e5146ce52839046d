import { append, appendAlone } from '../audit/append.ts'
import type { AuditEntry } from '../audit/audit.ts'
import { toRow } from '../audit/entry.ts'
import type { AdminConfig } from '../config/env.ts'
import { connect, type Database } from '../db/pool.ts'
import { createLogger } from '../log.ts'
import { type AdminContext, type Command, usageOf, type Work } from './command.ts'
import { COMMANDS, GROUPS } from './commands.ts'
import { AdminError, type Report, UsageError } from './report.ts'
import { table } from './table.ts'

/** Whether the first word belongs to us. */
export function isAdminGroup(word: string): boolean {
  return GROUPS.has(word)
}

/** One line per group. */
export function adminOverview(): string {
  const verbsOf = (group: string) =>
    COMMANDS.filter(({ name }) => name.startsWith(`${group} `)).map(({ name }) =>
      name.slice(group.length + 1),
    )
  const summaryOf = (group: string) => COMMANDS.find(({ name }) => name === group)?.summary
  return [...GROUPS]
    .map((group) => `  ${group.padEnd(11)} ${summaryOf(group) ?? verbsOf(group).join(', ')}`)
    .join('\n')
}

/** The commands of a group with their options. */
export function groupHelp(group: string): string {
  const own = COMMANDS.filter(({ name }) => name.split(' ')[0] === group)
  const describe = (command: Command) => {
    const options = Object.entries(command.options).map(([key, { placeholder, help }]) => [
      `      --${key}${placeholder ? ` ${placeholder}` : ''}`,
      help,
    ])
    return `  ${usageOf(command)}\n      ${command.summary}${table(['', ''], options)}`
  }
  return `${own.map(describe).join('\n\n')}\n\nExit codes: 0 done, 1 refused or failed, 2 wrong usage.\n`
}

/**
 * Runs a command of the operator, such as `keys mint …`. Whatever changes something is in the audit log, refused or not.
 *
 * @throws UsageError for a wrong command line, AdminError when the database says no.
 */
export async function runAdmin(
  args: readonly string[],
  loadConfig: () => AdminConfig,
): Promise<Report & { json: boolean }> {
  const { command, rest } = find(args)
  const { work, json } = prepare(command, rest)
  const config = loadConfig()
  const pool = connect({ url: config.databaseUrl, role: 'wa_app', password: config.databasePassword, max: 2 })
  const log = createLogger('silent')
  try {
    return { ...(await runAudited(command, work, { pool, config, log })), json }
  } finally {
    await pool.end({ timeout: 1 })
  }
}

function find(args: readonly string[]): { command: Command; rest: readonly string[] } {
  for (const words of [2, 1]) {
    const command = COMMANDS.find(({ name }) => name === args.slice(0, words).join(' '))
    if (command) return { command, rest: args.slice(words) }
  }
  const group = args[0] ?? ''
  const known = isAdminGroup(group) ? groupHelp(group) : adminOverview()
  throw new UsageError(`There is no such command. These are:\n\n${known}`)
}

function prepare(command: Command, args: readonly string[]) {
  try {
    return command.prepare(args)
  } catch (error) {
    if (!(error instanceof UsageError)) throw error
    throw new UsageError(`${error.message}\nUsage: ${usageOf(command)}`)
  }
}

type Base = Omit<AdminContext, 'sql'>

async function runAudited(command: Command, work: Work, base: Base): Promise<Report> {
  if (command.audited === 'not') return await work({ ...base, sql: base.pool })
  try {
    if (command.audited === 'with') {
      const { report } = await base.pool.begin(async (tx) => {
        const done = await work({ ...base, sql: tx })
        await append(tx, [entryOf(command, done)])
        return { report: done }
      })
      return report
    }
    const report = await work({ ...base, sql: base.pool })
    await appendAlone(base.pool, [entryOf(command, report)])
    return report
  } catch (error) {
    if (error instanceof AdminError) await recordRefusal(command, base.pool)
    throw error
  }
}

const actionOf = ({ name }: Command) => `admin.${name.replace(' ', '.')}`

function entryOf(command: Command, { audit }: Report) {
  return toRow({ action: actionOf(command), outcome: 'ok', transport: 'cli', ...audit }, new Date())
}

async function recordRefusal(command: Command, sql: Database): Promise<void> {
  const entry: AuditEntry = {
    action: actionOf(command),
    outcome: 'refused',
    transport: 'cli',
    errorClass: 'admin_error',
  }
  await appendAlone(sql, [toRow(entry, new Date())])
}
