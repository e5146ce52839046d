import { expect, test } from 'vitest'
import { match } from '../drill/lib/runbook/match.ts'

const fits = (expected: readonly string[], shown: string, known = {}) => match(expected, shown, known).ok

test('lines are compared in order and as a whole', () => {
  expect(fits(['one', 'two'], 'one\ntwo\n')).toBe(true)
  expect(fits(['one', 'two'], 'two\none\n')).toBe(false)
  expect(fits(['one'], 'one\ntwo\n')).toBe(false)
  expect(fits(['one', 'two'], 'one\n')).toBe(false)
  expect(fits(['one'], 'one two\n')).toBe(false)
  expect(fits([], '')).toBe(true)
  expect(fits([], 'a surprise\n')).toBe(false)
})

test('width of columns, empty lines and colours do not count', () => {
  expect(fits(['ID  STATE', '7   held'], 'ID      STATE\n\n7       held   \n')).toBe(true)
  expect(fits(['healthy'], '\x1b[32mhealthy\x1b[0m\n')).toBe(true)
  expect(fits(['STATE'], 'ST ATE\n')).toBe(false)
})

test('… stands for any text in a line, and alone for any lines, also none', () => {
  expect(fits(['valid to …'], 'valid to Jan 1\n')).toBe(true)
  expect(fits(['valid to …'], 'invalid\n')).toBe(false)
  expect(fits(['a … c'], 'a b\nd c\n')).toBe(false)
  expect(fits(['…', 'last'], 'last\n')).toBe(true)
  expect(fits(['first', '…', 'last'], 'first\n2\n3\nlast\n')).toBe(true)
  expect(fits(['first', '…', 'last'], 'first\n2\n3\n')).toBe(false)
  expect(fits(['first', '…'], 'first\n2\n')).toBe(true)
})

test('what looks like a pattern is text', () => {
  expect(fits(['0 rows (a+b)*'], '0 rows (a+b)*\n')).toBe(true)
  expect(fits(['.'], 'x\n')).toBe(false)
  expect(fits(['at <name>'], 'at a.c\n', { name: 'a.c' })).toBe(true)
  expect(fits(['at <name>'], 'at abc\n', { name: 'a.c' })).toBe(false)
})

test('a placeholder nobody knows captures one word, the same one wherever it stands', () => {
  expect(match(['<key-id> support', 'ends <key-id>'], '7f3 support\nends 7f3\n', {})).toEqual({
    ok: true,
    captured: { 'key-id': '7f3' },
  })
  expect(fits(['<key-id> support', 'ends <key-id>'], '7f3 support\nends 8a1\n')).toBe(false)
  expect(fits(['<id>'], 'two words\n')).toBe(false)
})

test('the first line that is missing is named', () => {
  expect(match(['one', '…', 'three', 'four'], 'one\ntwo\nthree\n', {})).toEqual({ ok: false, line: 'four' })
  expect(match(['one', 'three'], 'one\ntwo\nthree\n', {})).toEqual({ ok: false, line: 'three' })
  expect(match(['one'], 'one\ntwo\n', {})).toEqual({ ok: false, line: '(nothing more)' })
})
