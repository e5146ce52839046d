import { expect, test } from 'vitest'
import { coversNumber, coversTool } from '../../../server/auth/scopes.ts'

test.each([
  [['*'], true],
  [['tools:get_messages'], true],
  [['tools:get_message'], false],
  [['tools:*'], false],
  [['numbers:12345'], false],
  [[], false],
])('%j covers get_messages: %s', (scopes, covered) => {
  expect(coversTool(scopes, 'get_messages')).toBe(covered)
})

test.each([
  [['*'], true],
  [['tools:ping'], true],
  [['*', 'numbers:12345'], true],
  [['*', 'numbers:1234'], false],
  [['numbers:1', 'numbers:12345'], true],
  [['numbers:'], false],
])('%j covers the number 12345: %s', (scopes, covered) => {
  expect(coversNumber(scopes, '12345')).toBe(covered)
})
