import { execFile } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { USAGE as BOOTSTRAP } from '../../bootstrap/lib/options.ts'
import { type Command, usageOf } from '../../server/admin/command.ts'
import { COMMANDS, GROUPS } from '../../server/admin/commands.ts'
import type { Command as ScriptCommand } from '../lib/cli.ts'
import { code, page, table } from './markdown.ts'

const run = promisify(execFile)
const ROOT = join(import.meta.dirname, '../..')
/** Each is made of commands, a file for each in the directory of that name. */
const VERBS = ['secrets', 'age-key', 'backups', 'rotate', 'ssh']
const SCRIPTS = [
  'smoke',
  'doctor',
  'customer',
  'backup-db',
  'backup-media',
  'sync-offsite',
  'sync-audit',
  'verify-audit',
  'restore-db',
  'restore-host',
  'uninstall',
  'deploy-certificate',
  'notify',
  'supervisor',
  'reference',
]
const AUDITED = {
  with: 'Recorded in the audit log together with the change.',
  after: 'Recorded in the audit log right after the change.',
  not: 'Only reads.',
}

/** docs/reference/cli.md: what `--help` of every command says. */
export async function cliPage(): Promise<string> {
  const scripts = await Promise.all(SCRIPTS.map(scriptSection))
  return page(
    'Commands',
    'the commands themselves',
    '## The server',
    'In the container: `/nodejs/bin/node /app/server.js …`; from the repository: `node server/main.ts …`.',
    fence((await help('server/main.ts')).replace(/^whatsapp-mcp .*\n\n/, '')),
    'Every command of the operator takes `--json`. Exit codes: 0 done, 1 refused or failed, 2 wrong usage.',
    ...[...GROUPS].flatMap(groupSection),
    '## Bootstrap',
    fence(BOOTSTRAP),
    '## Scripts',
    ...(
      await Promise.all(VERBS.filter((name) => existsSync(join(ROOT, 'scripts', name))).map(commandsSection))
    ).flat(),
    ...scripts.flat(),
  )
}

function groupSection(group: string): string[] {
  const own = COMMANDS.filter(({ name }) => name.split(' ')[0] === group)
  return [`### ${group}`, ...own.flatMap(commandSection)]
}

function commandSection(command: Command): string[] {
  const options = Object.entries(command.options).filter(([name]) => name !== 'json')
  const rows = options.map(([name, { placeholder, help: meaning, required }]) => [
    code(placeholder ? `--${name} ${placeholder}` : `--${name}`),
    required ? 'yes' : '',
    meaning,
  ])
  return [
    `**${code(usageOf(command).replace(' [--json]', ''))}**`,
    `${command.summary[0]?.toUpperCase()}${command.summary.slice(1)}. ${AUDITED[command.audited]}`,
    ...(rows.length > 0 ? [table(['Option', 'Required', 'Meaning'], rows)] : []),
  ]
}

/** A script that is made of commands, one file each. */
async function commandsSection(script: string): Promise<string[]> {
  const directory = join(ROOT, 'scripts', script)
  const files = (await readdir(directory)).sort()
  const modules: { readonly default?: ScriptCommand }[] = await Promise.all(
    files.map((file) => import(join(directory, file))),
  )
  const commands = modules.flatMap((module) => module.default ?? [])
  return [
    `### scripts/${script}.ts`,
    fence(
      commands
        .map(({ usage, summary, details }) =>
          [
            `npx zx scripts/${script}.ts ${usage}`,
            indent(summary),
            ...(details ? [indent(details)] : []),
          ].join('\n'),
        )
        .join('\n\n'),
    ),
  ]
}

async function scriptSection(script: string): Promise<string[]> {
  return [`### scripts/${script}.ts`, fence(await help(`scripts/${script}.ts`))]
}

async function help(path: string): Promise<string> {
  const { stdout } = await run(process.execPath, [join(ROOT, path), '--help'], { cwd: ROOT })
  return stdout
}

function indent(text: string): string {
  return text.replace(/^(?=.)/gm, '    ')
}

function fence(text: string): string {
  return `\`\`\`\n${text.trimEnd()}\n\`\`\``
}
