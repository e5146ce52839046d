import { createReadStream } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { text } from 'node:stream/consumers'
import { parseArgs } from 'node:util'
import { Fail, messageOf } from '../../scripts/lib/fail.ts'

export interface Options {
  plan: boolean
  from?: string
  only?: string
  json: boolean
  answers?: string
  ageKey?: () => Promise<string>
  local: boolean
  once: boolean
  /** This host takes over from another, to which DNS may still lead. */
  recovering: boolean
  /** False: everything is established, nothing of the stack started. */
  start: boolean
  help: boolean
}

export const USAGE = `Usage: ./bootstrap/run.sh [options]        on a host, as root
       ./bootstrap/run.sh --local          try it out: no root, no Docker, no domain
       npx zx bootstrap/all.ts [options]   the same without installing Node and the packages first

Turns a bare Debian or Ubuntu host into the running stack. Safe to run again at any time: it
changes only what differs, and says what that was.

  --plan               show what differs, touch nothing
  --from STEP          start at this step (30 or 30-secrets)
  --only STEP          this step alone
  --answers FILE       domain, email and image as YAML instead of prompts
  --age-key-file FILE  read the age key from a file (- for standard input) instead of a hidden prompt
  --age-key-fd N       read the age key from an open file descriptor
  --recovering         this host takes over: DNS may lead elsewhere as long as its certificate is valid
  --no-start           start neither the stack nor its timers, and leave out the smoke test
  --json               print the result as JSON on standard output
  --local              the same six steps in a private directory, on an embedded Postgres
  --once               with --local: prove it with the smoke test, remove everything, exit
  --help               this text

Exit codes: 0 all well, 1 a step failed, 2 wrong usage, 3 refused before anything was changed.`

/** A command line that cannot be followed. */
export class UsageError extends Error {}

const HOST_ONLY = [
  ...(['plan', 'from', 'only', 'answers'] as const),
  ...(['age-key-file', 'age-key-fd', 'recovering', 'no-start'] as const),
]

/** @throws {UsageError} for unknown or contradictory options. */
export function parseOptions(args: readonly string[]): Options {
  let values: ReturnType<typeof parse>['values']
  try {
    values = parse(args).values
  } catch (cause) {
    throw new UsageError(messageOf(cause), { cause })
  }
  const { plan = false, json = false, local = false, once = false, recovering = false, help = false } = values
  const forbidden = HOST_ONLY.filter((name) => values[name] !== undefined)
  if (local && forbidden.length > 0)
    throw new UsageError(`--local takes no --${forbidden[0]}: it starts from nothing each time`)
  if (once && !local) throw new UsageError('--once belongs to --local')
  if (values.from !== undefined && values.only !== undefined)
    throw new UsageError('give --from or --only, not both')
  const ageKey = ageKeySource(values['age-key-file'], values['age-key-fd'])
  return {
    plan,
    json,
    local,
    once,
    recovering,
    start: values['no-start'] !== true,
    help,
    ...(values.from === undefined ? {} : { from: values.from }),
    ...(values.only === undefined ? {} : { only: values.only }),
    ...(values.answers === undefined ? {} : { answers: values.answers }),
    ...(ageKey === undefined ? {} : { ageKey }),
  }
}

function parse(args: readonly string[]) {
  return parseArgs({
    args: [...args],
    options: {
      plan: { type: 'boolean' },
      from: { type: 'string' },
      only: { type: 'string' },
      json: { type: 'boolean' },
      answers: { type: 'string' },
      'age-key-file': { type: 'string' },
      'age-key-fd': { type: 'string' },
      local: { type: 'boolean' },
      once: { type: 'boolean' },
      recovering: { type: 'boolean' },
      'no-start': { type: 'boolean' },
      help: { type: 'boolean' },
    },
  })
}

function ageKeySource(file: string | undefined, fd: string | undefined): (() => Promise<string>) | undefined {
  if (file !== undefined && fd !== undefined)
    throw new UsageError('give --age-key-file or --age-key-fd, not both')
  if (fd !== undefined && !/^\d{1,4}$/.test(fd))
    throw new UsageError('--age-key-fd takes a number, such as 3')
  if (file === undefined && fd === undefined) return undefined
  const from = fd === undefined ? (file as string) : `file descriptor ${fd}`
  return async () => {
    try {
      if (fd !== undefined) return await text(createReadStream('', { fd: Number(fd) }))
      return file === '-' ? await text(process.stdin) : await readFile(file as string, 'utf8')
    } catch (cause) {
      throw new Fail(`the age key cannot be read from ${from}`, {
        next: 'check the path, or leave the option out to type it',
        cause,
      })
    }
  }
}
