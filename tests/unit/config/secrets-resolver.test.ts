import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, test } from 'vitest'
import type { FixedSecretName } from '../../../secrets/schema.ts'
import { resolveSecret, SecretError } from '../../../server/config/secrets-resolver.ts'

const GOOD = 'a-good-value-0123456789'
let dir: string

beforeAll(() => {
  dir = mkdtempSync(join(tmpdir(), 'secrets-resolver-'))
})
afterAll(() => rmSync(dir, { recursive: true }))

const put = (name: string, text: string) => writeFileSync(join(dir, name), text)
const resolve = (value: string | undefined, name: FixedSecretName = 'wa_app_secret') =>
  resolveSecret(name, value, dir)?.reveal()
const messageOf = (act: () => unknown) => {
  try {
    act()
  } catch (error) {
    expect(error).toBeInstanceOf(SecretError)
    return (error as Error).message
  }
  throw new Error('nothing was thrown')
}

test('a value that is no reference passes through untouched', () => {
  expect(resolve(` ${GOOD}\n`)).toBe(` ${GOOD}\n`)
})

test('secrets://name is the content of that file', () => {
  put('another_name', GOOD)
  expect(resolve('secrets://another_name')).toBe(GOOD)
})

test('an unset variable is the file of the same name', () => {
  put('wa_app_secret', GOOD)
  expect(resolve(undefined)).toBe(GOOD)
})

test('one newline at the end is an editor’s, a second one belongs to the value', () => {
  put('newline', `${GOOD}\n`)
  put('newlines', `${GOOD}\n\n`)
  expect(resolve('secrets://newline')).toBe(GOOD)
  expect(resolve('secrets://newlines')).toBe(`${GOOD}\n`)
})

test('the result does not show itself', () => {
  expect(`${resolveSecret('wa_app_secret', GOOD, dir)}`).not.toContain(GOOD)
})

test('a missing file is named, with its path and the remedy', () => {
  const message = messageOf(() => resolve('secrets://nobody_wrote_this'))
  expect(message).toContain('WA_APP_SECRET')
  expect(message).toContain(join(dir, 'nobody_wrote_this'))
  expect(message).toContain('secrets/secrets.enc.yaml')
})

test('a file that cannot be read is told apart from one that is missing', () => {
  expect(messageOf(() => resolveSecret('wa_app_secret', 'secrets://x', join(dir, 'another_name')))).toContain(
    'ENOTDIR',
  )
})

test('an optional secret may be absent, but not when it is referred to', () => {
  expect(resolve(undefined, 'wa_app_secret_previous')).toBeUndefined()
  expect(messageOf(() => resolve('secrets://absent', 'wa_app_secret_previous'))).toContain('absent')
})

test.each(['../etc/passwd', '/etc/passwd', 'a/b', 'A', '', '.', 'a.b', `a${'b'.repeat(81)}`])(
  'the name %j leads nowhere',
  (name) => {
    expect(messageOf(() => resolve(`secrets://${name}`))).toContain('invalid name')
  },
)

test.each(['', '\n'])('an empty file (%j) is refused', (text) => {
  put('empty', text)
  expect(messageOf(() => resolve('secrets://empty'))).toContain('is empty')
})

test.each([
  'your-app-secret-goes-here',
  'YOUR_APP_SECRET_GOES_HERE',
  'changeme-changeme-changeme',
  'change-me-please-change-me',
  'example-secret-0123456789',
  'xxxxxxxxxxxxxxxxxxxx',
  'xxx-replace-with-the-secret',
  '<paste the secret here>',
  'placeholder-placeholder',
  '00000000000000000000',
])('the placeholder %j is refused and not repeated', (value) => {
  const message = messageOf(() => resolve(value))
  expect(message).toContain('placeholder')
  expect(message).not.toContain(value)
})

test('a short value is refused by its length, without repeating it', () => {
  const message = messageOf(() => resolve('abc123short'))
  expect(message).toContain('11 characters, at least 16')
  expect(message).not.toContain('abc123short')
})
