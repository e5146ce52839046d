/** Reading of what others wrote: everything may be missing or of another type, and nothing here throws. */

export type Json = Readonly<Record<string, unknown>>

const NONE: Json = Object.freeze({})

/** The object, or an empty one. */
export function object(value: unknown): Json {
  return isObject(value) ? value : NONE
}

/** Whether a value of JSON is an object; a list is none. */
export function isObject(value: unknown): value is Json {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}

/** The objects of a list. */
export function objects(value: unknown): readonly Json[] {
  return Array.isArray(value) ? value.filter(isObject) : []
}

/** The text, cut to `longest` characters; null when it is missing or empty. */
export function text(value: unknown, longest: number): string | null {
  if (typeof value !== 'string' || value === '') return null
  // A cut through a pair of surrogates would leave half a character.
  return value.length > longest ? value.slice(0, longest).toWellFormed() : value
}

const LONGEST_ID = 512

/** An identifier of Meta's. One that is longer than any index takes is none. */
export function identifier(value: unknown): string | null {
  const id = typeof value === 'number' ? String(value) : value
  return typeof id === 'string' && id !== '' && id.length <= LONGEST_ID ? id : null
}

/** The digits of a phone number, however it is written; null when there is none. */
export function phoneDigits(value: unknown): string | null {
  const digits = typeof value === 'string' ? value.replace(/\D/g, '') : ''
  return digits.length >= 5 && digits.length <= 32 ? digits : null
}

/** Meta's time of an event: Unix seconds, written as text or as a number. */
export function moment(value: unknown): Date | null {
  const seconds = typeof value === 'number' ? String(value) : value
  return typeof seconds === 'string' && /^\d{1,10}$/.test(seconds) ? new Date(Number(seconds) * 1000) : null
}

/** A whole number the column type `int` holds. */
export function int(value: unknown): number | null {
  return Number.isInteger(value) && Math.abs(Number(value)) < 2 ** 31 ? Number(value) : null
}

/** `{a: 1, b: null, c: undefined}` → `{a: 1}` */
export function present(fields: Readonly<Record<string, unknown>>): Json {
  return Object.fromEntries(
    Object.entries(fields).filter(([, value]) => value !== null && value !== undefined),
  )
}
