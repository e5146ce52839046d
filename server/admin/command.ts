import { parseArgs } from 'node:util'
import type { AdminConfig } from '../config/env.ts'
import type { Database, Queryable } from '../db/pool.ts'
import type { Logger } from '../log.ts'
import { flag, type Option, type Options, type Values } from './option.ts'
import { type Report, UsageError } from './report.ts'

/** What a command works with. */
export interface AdminContext {
  /** The transaction that also writes the audit entry, where the command is audited `with` it; else the pool. */
  readonly sql: Queryable
  readonly pool: Database
  readonly config: AdminConfig
  readonly log: Logger
}

export type Work = (context: AdminContext) => Promise<Report>

/**
 * `with`: the change and its audit entry commit together, or neither does. `after`: the change has transactions of its own, the
 * entry follows. `not`: it only reads.
 */
export type Audited = 'with' | 'after' | 'not'

export interface Argument {
  readonly placeholder: string
  /** `run` is given '' where it is left out. */
  readonly optional?: true
  readonly read: (text: string, label: string) => string
}

/** One command, as its line in the help and the reference says. */
export interface Command {
  /** Group and verb: `keys mint`. */
  readonly name: string
  readonly summary: string
  readonly audited: Audited
  readonly argument: Argument | undefined
  readonly options: Options
  /** Checks the whole command line before anything is asked of the database. @throws UsageError */
  prepare(args: readonly string[]): { readonly work: Work; readonly json: boolean }
}

const COMMON = { json: flag('print JSON') } as const

/** Makes a command whose `run` has the types of its own options. */
export function command<const O extends Options>(definition: {
  readonly name: string
  readonly summary: string
  readonly audited: Audited
  readonly argument?: Argument
  readonly options: O
  readonly run: (values: Values<O>, argument: string) => Work
}): Command {
  const { name, argument, run } = definition
  const options: Options = { ...definition.options, ...COMMON }
  return {
    ...definition,
    argument,
    options,
    prepare: (args) => {
      const { texts, positionals } = parse(name, args, options)
      const values = Object.fromEntries(
        Object.entries(options).map(([key, option]) => [key, option.read(texts.get(key), `--${key}`)]),
      )
      const [given, surplus] = positionals
      if (surplus !== undefined || (given !== undefined && argument === undefined)) {
        throw new UsageError(`${name}: there are more arguments than expected.`)
      }
      if (argument !== undefined && argument.optional !== true && given === undefined) {
        throw new UsageError(`${name} needs ${argument.placeholder}.`)
      }
      const checked = argument && given !== undefined ? argument.read(given, argument.placeholder) : ''
      // The names and types of `values` follow from the same `options`.
      return { work: run(values as Values<O>, checked), json: values.json === true }
    },
  }
}

function parse(name: string, args: readonly string[], options: Options) {
  const typeOf = (option: Option) => ({
    type: option.placeholder ? ('string' as const) : ('boolean' as const),
  })
  try {
    const { values, positionals } = parseArgs({
      args: [...args],
      options: Object.fromEntries(Object.entries(options).map(([key, option]) => [key, typeOf(option)])),
      allowPositionals: true,
    })
    return { texts: new Map(Object.entries(values).map(([key, value]) => [key, String(value)])), positionals }
  } catch (error) {
    // Only the option's name: what follows may be a secret somebody tried to pass.
    const option = error instanceof Error ? /'(--?[a-z][a-z-]*)/.exec(error.message)?.[1] : undefined
    throw new UsageError(
      `${name}: ${option ? `the option ${option} is unknown or misused` : 'the options cannot be read'}.`,
    )
  }
}

/** `keys mint --client NAME --label TEXT [--expires WHEN] [--json]` */
export function usageOf({ name, argument, options }: Command): string {
  const parts = Object.entries(options).map(([key, { placeholder, required }]) => {
    const text = placeholder ? `--${key} ${placeholder}` : `--${key}`
    return required ? text : `[${text}]`
  })
  const word = argument?.optional ? `[${argument.placeholder}]` : argument?.placeholder
  return [name, ...(word ? [word] : []), ...parts].join(' ')
}
