import { readFileSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { walk } from '../../../scripts/audit/chain.ts'
import { parseSegmentName, readSegment, type Segment } from '../../../scripts/audit/segment.ts'
import { Chain, rewrite, START, temporary } from './fixtures.ts'

async function count(segment: Segment): Promise<number> {
  let rows = 0
  for await (const row of readSegment(segment)) rows += Number(row.id > 0)
  return rows
}

test('what the server writes is read without knowing its canonical form, whatever a detail holds', async () => {
  const directory = temporary()
  const chain = new Chain()
  const trap = `","hash":"${'a'.repeat(64)}","prev_hash":"${'b'.repeat(64)}","id":9`
  const nested = { hash: 'c'.repeat(64), id: 7, prev_hash: 'd'.repeat(64), request_id: null }
  const segment = chain.close(directory, [
    { trap },
    { nested, hash: 'e'.repeat(64) },
    { '\u2028': 'é😀\\"\n' },
  ])
  expect(await count(segment)).toBe(4)
  await fc.assert(
    fc.asyncProperty(fc.dictionary(fc.string({ unit: 'grapheme' }), fc.jsonValue()), async (detail) => {
      const stored: Record<string, unknown> = JSON.parse(JSON.stringify(detail))
      expect(await count(new Chain().close(directory, [stored]))).toBe(2)
    }),
    { numRuns: 50 },
  )
})

test('no byte of a segment can be another one', async () => {
  const segment = new Chain().close(temporary(), [{ n: 1 }])
  const whole = gunzipSync(readFileSync(segment.path))
  for (let at = 0; at < whole.length; at += 1) {
    const changed = Buffer.from(whole)
    changed[at] = (changed[at] ?? 0) ^ 1
    writeFileSync(segment.path, gzipSync(changed))
    expect((await walk([segment]))?.faults, `byte ${at}`).toHaveLength(1)
  }
})

test.each<[string, (lines: string[]) => string[], string]>([
  ['a row taken out', (lines) => lines.toSpliced(1, 1), 'row 2 is missing; row 3 is in its place'],
  [
    'a row put in',
    (lines) => lines.toSpliced(1, 0, lines[0] ?? ''),
    'row 2 is missing; row 1 is in its place',
  ],
  ['two rows swapped', ([a = '', b = '', c = '']) => [b, a, c], 'row 1 is missing; row 2 is in its place'],
  ['the last row cut off', (lines) => lines.slice(0, -1), 'ends at row 2 instead of 3'],
  ['everything cut off', () => [], 'ends at row 0 instead of 3'],
  ['a row after the last', (lines) => [...lines, lines[2] ?? ''], 'row 4 is missing; row 3 is in its place'],
  ['a value changed', (lines) => lines.map((line) => line.replace('"n":1', '"n":9')), 'row 1 was changed'],
  ['no JSON', ([, ...lines]) => ['x', ...lines], 'the line for row 1 is no record'],
  ['no time', (lines) => lines.map((line) => line.replace(/"ts":"[^"]*"/, '"ts":"then"')), 'is no record'],
])('%s is found', async (_, change, expected) => {
  const segment = new Chain().close(temporary())
  rewrite(segment, change)
  expect((await walk([segment]))?.faults).toEqual([expect.stringContaining(expected)])
})

test('a file that is not gzipped, or cut off, is a fault and no crash', async () => {
  const segment = new Chain().close(temporary())
  const bytes = readFileSync(segment.path)
  for (const damaged of [Buffer.from('plain'), bytes.subarray(0, -9), Buffer.alloc(0)]) {
    writeFileSync(segment.path, damaged)
    expect((await walk([segment]))?.faults).toHaveLength(1)
  }
})

test('what continues is whole, in any order; what does not is named, and the walk goes on behind it', async () => {
  const directory = temporary()
  const chain = new Chain()
  const [a, b, c, d] = [1, 2, 3, 4].map(() => chain.close(directory))
  if (!a || !b || !c || !d) throw new Error('four')
  expect(await walk([d, b, a, c])).toMatchObject({
    start: { id: 0, hash: '0'.repeat(64) },
    rows: 12,
    end: { id: 12, hash: chain.head.hash.toString('hex') },
    faults: [],
    pauses: [],
    newest: START + 3 * 3_600_000,
  })
  expect((await walk([a, c, d]))?.faults).toEqual([`rows 4 to 6 are missing before ${c.name}`])
  expect(await walk([c, d])).toMatchObject({ start: { id: 6 }, rows: 6, faults: [] })
  expect(await walk([])).toBeUndefined()
  rewrite(b, ([first = '', ...lines]) => [first.replace('"n":1', '"n":3'), ...lines])
  rewrite(d, (lines) => lines.slice(0, 1))
  const { faults } = (await walk([a, b, c, d])) ?? {}
  expect(faults).toEqual([
    `${b.name}: row 4 was changed: its hash does not match`,
    `${d.name} ends at row 10 instead of 12`,
  ])
})

test('a stretch of another chain does not continue this one, though each is whole', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const other = new Chain()
  other.close(temporary(), [{ n: 8 }, { n: 9 }])
  const b = other.close(directory)
  expect((await walk([a, b]))?.faults).toEqual([`${b.name}: row 4 does not continue row 3`])
})

test('segments that were closed at the same moment may overlap when they agree', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const twin = chain.fork()
  const short = twin.close(directory, [{ n: 1 }])
  const long = chain.close(directory, [{ n: 1 }])
  expect(short.name).toBe(long.name)
  // One was closed later, with a row more than the other.
  const text = gunzipSync(readFileSync(long.path)).toString()
  const next = chain.close(directory, [])
  const both = {
    ...next,
    first: long.first,
    name: `audit-${long.first}-${next.last}.ndjson.gz`,
    path: `${directory}/both`,
  }
  writeFileSync(both.path, gzipSync(text + gunzipSync(readFileSync(next.path)).toString()))
  expect(await walk([a, long, both, next])).toMatchObject({ faults: [], rows: 6, end: { id: 6 } })

  const liar = new Chain()
  liar.close(temporary())
  const lie = liar.close(directory, [{ n: 5 }])
  expect((await walk([a, { ...lie, name: 'lie' }, both]))?.faults).toEqual([
    `${both.name}: row 5 is another one than in the segment before`,
  ])
})

test('hours without a heartbeat are told', async () => {
  const directory = temporary()
  const chain = new Chain()
  const segments = [chain.close(directory)]
  chain.hour += 1
  segments.push(chain.close(directory))
  expect((await walk(segments))?.pauses).toEqual([
    { after: '2027-01-31T12:00:00.000Z', before: '2027-01-31T14:00:00.000Z', minutes: 120 },
  ])
})

test.each([
  'audit-0-4.ndjson.gz',
  'audit-5-4.ndjson.gz',
  'audit-1-4.ndjson.gz.tmp',
  'audit-1.ndjson.gz',
  '../audit-1-2.ndjson.gz',
])('%s is no name of a segment', (name) => {
  expect(parseSegmentName(name)).toBeUndefined()
  expect(parseSegmentName('audit-4-17.ndjson.gz')).toEqual({ first: 4, last: 17 })
})
