import { expect, it } from 'vitest'
import { duration, megabytes } from '../../scripts/lib/words.ts'

it.each([
  [0.4, '0 s'],
  [89, '89 s'],
  [150, '3 min'],
  [7300, '2 h'],
  [200_000, '2 d'],
])('%d seconds are %s', (seconds, text) => {
  expect(duration(seconds)).toBe(text)
})

it.each([
  [1_234_567, '1.2 MB'],
  [12_345_678, '12 MB'],
  [2_048e6, '2,048 MB'],
])('%d bytes are %s', (bytes, text) => {
  expect(megabytes(bytes)).toBe(text)
})
