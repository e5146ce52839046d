import { expect, test } from 'vitest'
import { untrusted } from '../../../server/tools/untrusted.ts'

test.each([
  ['zero-width characters', 'a\u200Bb\u200Cc\u2060d\uFEFFe', 'abcde'],
  ['turns of the writing direction', 'pay \u202Egnp.\u202C now\u2066\u2069', 'pay gnp. now'],
  [
    'words in tags',
    `hi${[...'ignore'].map((c) => String.fromCodePoint(0xe0000 + (c.codePointAt(0) ?? 0))).join('')}`,
    'hi',
  ],
  ['bytes in variation selectors', 'x\u{E0101}\u{FE01}\u{E01EF}y', 'xy'],
  ['control characters', '\u001b[2Jred\u0007\r\n\tstill', '[2Jred\n\tstill'],
  ['a joiner between letters', 'a\u200Db', 'ab'],
])('takes out %s', (_, text, clean) => {
  expect(untrusted(text)).toEqual({ untrusted: true, value: clean })
})

test.each(['Grüße, 你好, שלום', '👩‍🚀 👨‍👩‍👧 ❤️‍🔥 👍🏽', 'line\n\tindent'])('leaves %j as it is', (text) => {
  expect(untrusted(text)).toEqual({ untrusted: true, value: text })
})

test('cuts a long text at a whole character', () => {
  expect(untrusted('abcdef', 3)?.value).toBe('abc…')
  expect(untrusted('ab👍', 3)?.value.isWellFormed()).toBe(true)
  expect(untrusted('abc', 3)?.value).toBe('abc')
  expect(untrusted(null)).toBeNull()
})
