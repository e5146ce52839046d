import { UsageError } from './report.ts'

/** An option of a command: what people read about it, and how its text becomes a value. */
export interface Option<T = unknown> {
  /** `NAME` in `--client NAME`; a flag has none. */
  readonly placeholder: string | undefined
  readonly help: string
  readonly required: boolean
  /** @throws UsageError that names the option and the form its value must have. */
  readonly read: (text: string | undefined, label: string) => T
}

export type Options = Readonly<Record<string, Option>>

/** What a command is given for its options. */
export type Values<O extends Options> = { readonly [K in keyof O]: O[K] extends Option<infer T> ? T : never }

/** Reads a value that is there. @throws UsageError */
export type Check<T> = (text: string, label: string) => T

/** An option without which the command line is wrong. */
export function must<T>(placeholder: string, help: string, check: Check<T>): Option<T> {
  return {
    placeholder,
    help,
    required: true,
    read: (text, label) => {
      if (text === undefined) throw new UsageError(`${label} is missing.`)
      return check(text, label)
    },
  }
}

/** An option that may be left out. */
export function may<T>(placeholder: string, help: string, check: Check<T>): Option<T | undefined> {
  return {
    placeholder,
    help,
    required: false,
    read: (text, label) => (text === undefined ? undefined : check(text, label)),
  }
}

/** An option without a value. */
export function flag(help: string): Option<boolean> {
  return { placeholder: undefined, help, required: false, read: (text) => text !== undefined }
}
