import { SECRET_NAME } from '../../secrets/schema.ts'
import type { Check } from './option.ts'
import { UsageError } from './report.ts'

/** What values on the command line must look like. Messages never repeat the value: it may be a secret in the wrong place. */

const pattern =
  (form: RegExp, what: string): Check<string> =>
  (text, label) => {
    if (!form.test(text)) throw new UsageError(`${label} is ${what}.`)
    return text
  }

/** What people write about a thing: one line, not empty, not a novel. */
export const title = pattern(/^[^\p{Cc}]{1,120}$/u, 'one line of 1 to 120 characters')

export const slug = pattern(
  /^(?=.{1,63}$)[a-z0-9]+(-[a-z0-9]+)*$/,
  'up to 63 lower-case letters and digits, with single hyphens between: support-desk',
)

export const setName = pattern(/^\d{8}T\d{6}Z$/, 'the name of a backup such as 20261121T074605Z')

export const metaId = pattern(
  /^\d{5,32}$/,
  "an id of Meta's: digits, as WhatsApp Manager shows it, not the phone number",
)

export const uuid = pattern(
  /^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  'an id such as 0193d3a0-0000-7000-8000-000000000001, as the list shows it',
)

export const phone = pattern(/^\+[1-9]\d{6,14}$/, 'a phone number with country code: +15550001111')

export const secretRef: Check<string> = (text, label) => {
  const name = /^secrets:\/\/(.+)$/.exec(text)?.[1] ?? ''
  if (!SECRET_NAME.test(name)) {
    throw new UsageError(
      `${label} is a reference such as secrets://wa_access_token_1, never the value itself. ` +
        'Put the value into the encrypted file: npx zx scripts/secrets.ts set wa_access_token_1',
    )
  }
  return text
}

export const integer =
  (least: number, most: number): Check<number> =>
  (text, label) => {
    const value = /^\d{1,15}$/.test(text) ? Number(text) : Number.NaN
    if (!(value >= least && value <= most)) {
      throw new UsageError(`${label} is a whole number from ${least} to ${most}.`)
    }
    return value
  }

/** `none`, or what `check` reads. */
export const orNone =
  <T>(check: Check<T>): Check<T | null> =>
  (text, label) =>
    text === 'none' ? null : check(text, label)

export const oneOf =
  <const T extends string>(...choices: readonly T[]): Check<T> =>
  (text, label) => {
    const choice = choices.find((one) => one === text)
    if (choice === undefined) throw new UsageError(`${label} is one of: ${choices.join(', ')}.`)
    return choice
  }

/** Comma-separated, each once. */
export const list =
  <T>(check: Check<T>): Check<readonly T[]> =>
  (text, label) => [...new Set(text.split(',').map((part) => check(part.trim(), label)))]

export const toolName = pattern(
  /^[a-z][a-z_]{0,62}$/,
  'names of tools, separated by commas: send_message,get_messages',
)

export const scope = pattern(
  /^(\*|tools:[a-z][a-z_]{0,62}|numbers:\d{5,32})$/,
  "a list of scopes, separated by commas: tools:<tool>, numbers:<Meta's id>, or * (owner only)",
)

const UNIT_MS = { m: 60_000, h: 3_600_000, d: 86_400_000 } as const

/** `90d`, `24h`, `15m`. @returns milliseconds */
export const duration: Check<number> = (text, label) => {
  const [, count, unit] = /^([1-9]\d{0,3})([mhd])$/.exec(text) ?? []
  if (count === undefined) throw new UsageError(`${label} is a time such as 7d, 24h or 15m.`)
  return Number(count) * UNIT_MS[unit as keyof typeof UNIT_MS]
}

/** `90d`, or an ISO date or moment in the future. */
export const future: Check<Date> = (text, label) => {
  const date = momentOf(text, 1, label)
  if (!(date.getTime() > Date.now())) {
    throw new UsageError(`${label} is a time from now such as 90d, or a future date such as 2027-01-31.`)
  }
  return date
}

/** `24h` ago, or an ISO date or moment in the past. */
export const past: Check<Date> = (text, label) => {
  const date = momentOf(text, -1, label)
  if (!(date.getTime() <= Date.now())) {
    throw new UsageError(`${label} is a time ago such as 24h, or a past moment such as 2026-01-31T12:00:00Z.`)
  }
  return date
}

function momentOf(text: string, sign: 1 | -1, label: string): Date {
  if (/^\d+[mhd]$/.test(text)) return new Date(Date.now() + sign * duration(text, label))
  return new Date(/^\d{4}-\d{2}-\d{2}/.test(text) ? text : Number.NaN)
}
