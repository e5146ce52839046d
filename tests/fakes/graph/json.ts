import { refuseUnless } from './failure.ts'

export type Json = Readonly<Record<string, unknown>>

const isObject = (value: unknown): value is Json =>
  typeof value === 'object' && value !== null && !Array.isArray(value)

export function object(value: unknown, name: string): Json {
  refuseUnless(value !== undefined, 131008, `${name} is missing`)
  refuseUnless(isObject(value), 131009, `${name} must be an object`)
  return value
}

export function objects(value: unknown, name: string, min: number, max: number): Json[] {
  refuseUnless(value !== undefined, 131008, `${name} is missing`)
  refuseUnless(Array.isArray(value) && value.every(isObject), 131009, `${name} must be a list of objects`)
  refuseUnless(value.length >= min && value.length <= max, 131009, `${name} must have ${min} to ${max} items`)
  return value
}

export function text(value: unknown, name: string, max: number): string {
  refuseUnless(value !== undefined, 131008, `${name} is missing`)
  refuseUnless(typeof value === 'string' && value.length > 0, 131009, `${name} must be text`)
  refuseUnless(value.length <= max, 131009, `${name} is longer than ${max} characters`)
  return value
}
