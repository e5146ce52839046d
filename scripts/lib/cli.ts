import { type ParseArgsConfig, parseArgs } from 'node:util'
import { scriptArguments } from './entry.ts'
import { explain, Fail, isDefect, Refused } from './fail.ts'

/** Wrong usage: exit code 2, the message and a pointer to `--help`. */
export class UsageError extends Error {}

type Options = NonNullable<ParseArgsConfig['options']>

export interface Command<T extends Options = Options> {
  /** what follows the script's name, e.g. `set NAME [--generate]` */
  readonly usage: string
  /** one line for the list of commands */
  readonly summary: string
  /** more for `COMMAND --help`: options and rules, one per line */
  readonly details?: string
  readonly options: T
  /** names of the positional arguments; one that ends with `?` may be left out */
  readonly positionals?: readonly string[]
  /** @returns the exit code; nothing means 0 */
  run(
    values: ReturnType<typeof parseArgs<{ options: T }>>['values'],
    ...positionals: string[]
  ): Promise<number | undefined>
}

/** Gives `run` the types of its own options. */
export function command<const T extends Options>(definition: Command<T>): Command<T> {
  return definition
}

/** Commands are loaded when they are called: at boot, `explode` should not wait for prompts and QR codes. */
export type Commands = Readonly<Record<string, () => Promise<{ readonly default: unknown }>>>

/**
 * Runs a script made of commands and sets the exit code: 0 ok, 1 failed, 2 wrong usage, 3 refused.
 * @param script path for the help text, e.g. `scripts/secrets.ts`
 */
export async function runCommands(script: string, intro: string, commands: Commands): Promise<void> {
  await setExitCode(script, () => dispatch(script, intro, commands, scriptArguments()))
}

/** The same for a script that is one command; its `usage` starts with what follows the script's name, or is empty. */
export async function runCommand<T extends Options>(script: string, only: Command<T>): Promise<void> {
  await setExitCode(script, () => perform(script, only as unknown as Command, scriptArguments()))
}

async function setExitCode(script: string, run: () => Promise<number | undefined>): Promise<void> {
  try {
    process.exitCode = (await run()) ?? 0
  } catch (error) {
    if (!(error instanceof Error)) throw error
    const { message, stack } = error
    process.stderr.write(`${paint('31', 'error')} ${isDefect(error) ? stack : message}\n`)
    if (error instanceof Fail) process.stderr.write(`${explain(error)}\n`)
    if (error instanceof UsageError) process.stderr.write(`Usage: npx zx ${script} --help\n`)
    process.exitCode = error instanceof UsageError ? 2 : error instanceof Refused ? 3 : 1
  }
}

async function dispatch(script: string, intro: string, commands: Commands, args: readonly string[]) {
  const [name, ...rest] = args
  if (name === '--help' || name === '-h' || name === 'help') {
    process.stdout.write(await overview(script, intro, commands))
    return 0
  }
  if (name === undefined) throw new UsageError(`Say what to do: ${Object.keys(commands).join(', ')}.`)
  if (!Object.hasOwn(commands, name)) {
    throw new UsageError(`There is no command ${JSON.stringify(name)}: ${Object.keys(commands).join(', ')}.`)
  }
  return perform(script, await load(commands, name), rest)
}

async function perform(
  script: string,
  chosen: Command,
  args: readonly string[],
): Promise<number | undefined> {
  if (args.includes('--help') || args.includes('-h')) {
    process.stdout.write(`Usage: npx zx ${script} ${chosen.usage}\n\n${chosen.summary}\n`)
    if (chosen.details) process.stdout.write(`\n${chosen.details}\n`)
    return 0
  }
  const { values, positionals } = parse(chosen, args)
  return chosen.run(values, ...positionals)
}

function parse(chosen: Command, args: readonly string[]) {
  const names = chosen.positionals ?? []
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: chosen.options,
      allowPositionals: true,
    })
    const missing = names.find((name, index) => !name.endsWith('?') && positionals[index] === undefined)
    if (missing) throw new UsageError(`${missing} is missing.`)
    // A surplus argument may be a secret somebody tried to pass; it is not repeated.
    if (positionals.length > names.length) throw new UsageError('There are more arguments than expected.')
    return { values, positionals }
  } catch (error) {
    if (error instanceof UsageError) throw error
    const unknown = error instanceof Error ? /'(--?[a-z][a-z-]*)/.exec(error.message)?.[1] : undefined
    throw new UsageError(
      unknown ? `The option ${unknown} is unknown or misused.` : 'The options cannot be read.',
    )
  }
}

async function load(commands: Commands, name: string): Promise<Command> {
  return (await commands[name]?.())?.default as Command
}

async function overview(script: string, intro: string, commands: Commands): Promise<string> {
  const loaded = await Promise.all(Object.keys(commands).map((name) => load(commands, name)))
  const width = Math.max(...loaded.map(({ usage }) => usage.length))
  const lines = loaded.map(({ usage, summary }) => `  ${usage.padEnd(width)}  ${summary}`)
  return `Usage: npx zx ${script} COMMAND\n\n${intro}\n\n${lines.join('\n')}\n\nCOMMAND --help tells more. Exit codes: 0 ok, 1 failed, 2 wrong usage.\n`
}

/** Wraps text in an ANSI colour, on a terminal only. */
export function paint(colour: string, text: string): string {
  return process.stderr.isTTY && !process.env.NO_COLOR ? `\x1b[${colour}m${text}\x1b[0m` : text
}

/** One line for a person; standard output is for data. */
export function tell(line: string): void {
  process.stderr.write(`${line}\n`)
}

/** Data for machines, on standard output. */
export function printJson(data: unknown): void {
  process.stdout.write(`${JSON.stringify(data, undefined, 2)}\n`)
}
