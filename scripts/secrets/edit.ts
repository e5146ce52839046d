import { spawn } from 'node:child_process'
import { rmSync } from 'node:fs'
import { mkdtemp, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { parseDocument } from 'yaml'
import { problemsOf } from '../../secrets/check.ts'
import { replaceFile } from '../../secrets/file.ts'
import { SECRET_NAMES, SECRETS } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'
import { change } from '../../secrets/sops.ts'
import { command, tell } from '../lib/cli.ts'
import { openPlace, PLACE_HELP, PLACE_OPTIONS } from '../lib/place.ts'
import { askYesNo, isInteractive } from '../lib/prompt.ts'

/** Memory, not a disk: the plain text must not survive a power cut. */
const MEMORY = '/dev/shm'

export default command({
  usage: 'edit',
  summary: 'opens all secrets in $SOPS_EDITOR, $EDITOR or vi',
  details: `${PLACE_HELP}

The plain text is in a private directory of ${MEMORY} while the editor runs, and is always removed.`,
  options: PLACE_OPTIONS,
  async run(o) {
    const { opened } = await openPlace(o)
    const directory = await mkdtemp(join(MEMORY, 'whatsapp-mcp-edit-')).catch(() => {
      throw new Error(`${MEMORY} cannot be used, and plain text must not touch a disk. Use set NAME instead.`)
    })
    const remove = () => rmSync(directory, { recursive: true, force: true })
    process.once('exit', remove)
    for (const signal of ['SIGTERM', 'SIGHUP'] as const) process.once(signal, () => process.exit(1))
    // Ctrl-C belongs to the editor.
    process.on('SIGINT', () => {})
    try {
      const file = join(directory, 'secrets.yaml')
      await writeFile(file, format(opened.values), { mode: 0o600, flag: 'wx' })
      const values = await editUntilRight(file)
      const changed = await replaceFile(opened, () => change(opened, values))
      tell(changed ? 'Saved. Commit secrets/secrets.enc.yaml.' : 'Nothing was changed.')
    } finally {
      remove()
      process.removeListener('exit', remove)
    }
  },
})

async function editUntilRight(file: string): Promise<Map<string, Secret>> {
  for (;;) {
    await runEditor(file)
    try {
      return parse(await readFile(file, 'utf8'))
    } catch (error) {
      if (!(error instanceof Error)) throw error
      if (!isInteractive()) throw new Error(`${error.message}\nNothing was changed.`)
      tell(error.message)
      if (!(await askYesNo('Open the editor again?', ''))) throw new Error('Nothing was changed.')
    }
  }
}

async function runEditor(file: string): Promise<void> {
  const [program = 'vi', ...args] = (process.env.SOPS_EDITOR || process.env.EDITOR || 'vi')
    .trim()
    .split(/\s+/)
  const code = await new Promise<number | null>((resolve, reject) => {
    const editor = spawn(program, [...args, file], { stdio: 'inherit' })
    editor.once('error', () =>
      reject(new Error(`The editor ${program} cannot be started. Set EDITOR to another.`)),
    )
    editor.once('exit', resolve)
  })
  if (code !== 0) throw new Error(`The editor ended with code ${code}. Nothing was changed.`)
}

function format(values: ReadonlyMap<string, Secret>): string {
  // A JSON string is a YAML string, whatever it holds.
  const line = (name: string, text: string) => `${name}: ${JSON.stringify(text)}`
  const known = SECRET_NAMES.map((name) => {
    const value = values.get(name)
    return `# ${SECRETS[name].title}\n${value ? line(name, value.reveal()) : `# ${line(name, '')}`}`
  })
  const unknown = [...values].filter(([name]) => !Object.hasOwn(SECRETS, name))
  return `${[...known, ...unknown.map(([name, value]) => line(name, value.reveal()))].join('\n')}\n`
}

/** @throws Error naming line or name, never a value: the file is full of them */
function parse(text: string): Map<string, Secret> {
  const document = parseDocument(text, { schema: 'failsafe', uniqueKeys: true, logLevel: 'silent' })
  const flaw = document.errors[0]
  if (flaw) throw new Error(`Line ${flaw.linePos?.[0].line ?? '?'} is not valid YAML (${flaw.code}).`)
  const data: unknown = document.toJS({ maxAliasCount: 0 })
  if (typeof data !== 'object' || data === null || Array.isArray(data)) {
    throw new Error('The file must be a list of lines NAME: "value".')
  }
  const values = new Map<string, Secret>()
  for (const [name, value] of Object.entries(data)) {
    if (typeof value !== 'string') throw new Error(`${name} must be a single value.`)
    values.set(name, new Secret(value))
  }
  const problems = problemsOf(values)
  if (problems.length > 0) throw new Error(problems.join('\n'))
  return values
}
