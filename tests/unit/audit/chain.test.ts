import { readFileSync, rmSync, writeFileSync } from 'node:fs'
import { gunzipSync, gzipSync } from 'node:zlib'
import fc from 'fast-check'
import { expect, test } from 'vitest'
import { walk } from '../../../scripts/audit/chain.ts'
import { parseSegmentName, readSegment, type Segment } from '../../../scripts/audit/segment.ts'
import { Chain, rewrite, START, temporary, textOf, write } from './fixtures.ts'

const HOUR = 3_600_000

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
    expect((await walk([segment])).faults, `byte ${at}`).toHaveLength(1)
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
  expect((await walk([segment])).faults).toEqual([expect.stringContaining(expected)])
})

test('a file that is not gzipped, or cut off, is a fault and no crash', async () => {
  const segment = new Chain().close(temporary())
  const bytes = readFileSync(segment.path)
  const trailing = gzipSync(`${textOf(segment)}x`)
  for (const damaged of [Buffer.from('plain'), bytes.subarray(0, -9), Buffer.alloc(0), trailing]) {
    writeFileSync(segment.path, damaged)
    expect((await walk([segment])).faults).toHaveLength(1)
  }
})

test('a file that cannot be read is an error, not a fault of the chain', async () => {
  const segment = new Chain().close(temporary())
  rmSync(segment.path)
  await expect(walk([segment])).rejects.toThrow('ENOENT')
})

test('what continues is whole, in any order; what does not is named, and the walk goes on behind it', async () => {
  const directory = temporary()
  const chain = new Chain()
  const [a, b, c, d] = [1, 2, 3, 4].map(() => chain.close(directory))
  if (!a || !b || !c || !d) throw new Error('four')
  const end = { id: 12, hash: chain.head.hash.toString('hex') }
  const whole = await walk([d, b, a, c])
  expect(whole).toMatchObject({ complete: true, rows: 12, tips: [end], restores: [], faults: [] })
  expect(whole.heartbeats).toEqual([0, 1, 2, 3].map((hour) => START + hour * HOUR))
  expect([whole.has(end), whole.has({ ...end, id: 9 }), whole.has({ ...end, hash: 'x' })]).toEqual([
    true,
    false,
    false,
  ])
  expect((await walk([a, c, d])).faults).toEqual([`rows 4 to 6 are missing before ${c.name}`])
  expect(await walk([c, d])).toMatchObject({ complete: false, rows: 6, faults: [] })
  expect(await walk([])).toMatchObject({ complete: false, rows: 0, tips: [], faults: [] })
  rewrite(b, ([first = '', ...lines]) => [first.replace('"n":1', '"n":3'), ...lines])
  rewrite(d, (lines) => lines.slice(0, 1))
  expect((await walk([a, b, c, d])).faults).toEqual([
    `${b.name}: row 4 was changed: its hash does not match`,
    `${d.name} ends at row 10 instead of 12`,
  ])
})

test('a stretch of another chain does not continue this one, though each is whole', async () => {
  const directory = temporary()
  const a = new Chain().close(directory)
  const other = new Chain()
  other.close(temporary(), [{ n: 8 }, { n: 9 }])
  const b = other.close(directory)
  expect((await walk([a, b])).faults).toEqual([`${b.name}: row 4 does not continue row 3`])
  const sorted = [b, new Chain().fork().close(temporary())]
  expect((await walk(sorted)).faults).toEqual([`${b.name}: row 4 does not continue row 3`])
})

test('segments closed at the same moment may overlap when they agree', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const short = chain.close(directory, [{ n: 1 }])
  const next = chain.close(directory, [])
  // Closed by another process a moment later, with a row more.
  const long = write(directory, short.first, chain.head, textOf(short) + textOf(next))
  expect(await walk([a, short, long, next])).toMatchObject({
    faults: [],
    rows: 6,
    tips: [{ id: 6 }],
    restores: [],
  })
  expect(await walk([short, long])).toMatchObject({ faults: [], rows: 3, tips: [{ id: 6 }] })
})

test('a restored database makes a branch, from the middle of a segment too, and both are whole', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const backup = chain.fork()
  const b = chain.close(directory)
  const c = chain.close(directory)
  // Shorter than what was abandoned, so that it is read first, and longer.
  for (const length of [0, 4]) {
    const back = backup.restore(5)
    const d = back.close(directory, Array(length).fill({ n: 4 }))
    const e = back.close(directory)
    const walked = await walk([a, b, c, d, e])
    expect(walked).toMatchObject({ faults: [], rows: 9 + length + 5, restores: [4] })
    expect(walked.tips.map(({ id }) => id).sort()).toEqual([9, length + 8].sort())
  }
  // The backup was taken between two segments: rows 4 and 5 were the same before and after.
  const half = new Chain()
  half.head = backup.head
  half.hour = backup.hour
  const shared = textOf(b).split('\n').slice(0, 2)
  const { hash } = JSON.parse(shared[1] ?? '')
  half.head = { id: 5, hash: Buffer.from(hash, 'hex') }
  const back = half.restore(3)
  const rest = back.close(temporary())
  const d = write(directory, 4, back.head, `${shared.join('\n')}\n${textOf(rest)}`)
  expect(await walk([a, b, c, d])).toMatchObject({
    faults: [],
    rows: 13,
    restores: [6],
    tips: [{ id: 9 }, { id: 9 }],
  })
})

test('rows of a branch that several segments hold are counted once', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const back = chain.fork().restore(5)
  const abandoned = [chain.close(directory), chain.close(directory)]
  const short = back.close(directory, Array(6).fill({ n: 4 }))
  const next = back.close(directory, [])
  const long = write(directory, short.first, back.head, textOf(short) + textOf(next))
  const walked = await walk([a, ...abandoned, short, long, next])
  expect(walked).toMatchObject({ faults: [], rows: 3 + 6 + 9, restores: [4] })
})

test('rows that each are whole, but of two chains, are no chain', async () => {
  const directory = temporary()
  const [one = '', ...rest] = textOf(new Chain().close(directory, [{ n: 1 }, { n: 2 }])).split('\n')
  const [, ...other] = textOf(new Chain().close(directory, [{ n: 8 }, { n: 9 }])).split('\n')
  expect(rest).toHaveLength(other.length)
  const mixed = write(directory, 1, { id: 3, hash: Buffer.alloc(32) }, [one, ...other].join('\n'))
  expect((await walk([mixed])).faults).toEqual([`${mixed.name}: row 2 does not continue row 1`])
  const rootless = new Chain()
  rootless.head = { id: 0, hash: Buffer.alloc(32, 1) }
  expect((await walk([rootless.close(directory)])).faults).toEqual([
    expect.stringContaining('row 1 continues something'),
  ])
})

test('a branch that does not say why it is there is a fault', async () => {
  const directory = temporary()
  const chain = new Chain()
  const a = chain.close(directory)
  const forger = chain.fork()
  const b = chain.close(directory)
  forger.hour += 1
  const c = forger.close(directory, [{ n: 7 }, { n: 8 }, { n: 9 }])
  expect((await walk([a, b, c])).faults).toEqual([
    `${c.name}: row 4 is another one than before, and it does not say that a backup was restored`,
  ])
  // A restore elsewhere is no excuse for it.
  const back = new Chain().fork()
  back.head = { id: 3, hash: Buffer.from(JSON.parse(textOf(a).split('\n')[2] ?? '').hash, 'hex') }
  const d = back.restore(9).close(directory)
  expect((await walk([a, b, c, d])).faults).toHaveLength(1)
})

test.each([
  'audit-0-4-00000000.ndjson.gz',
  'audit-5-4-00000000.ndjson.gz',
  'audit-1-4-00000000.ndjson.gz.tmp',
  'audit-1-4-0000000g.ndjson.gz',
  'audit-1.ndjson.gz',
  '../audit-1-2.ndjson.gz',
])('%s is no name of a segment', (name) => {
  expect(parseSegmentName(name)).toBeUndefined()
  expect(parseSegmentName('audit-4-17-0a1b2c3d.ndjson.gz')).toEqual({ first: 4, last: 17 })
  expect(parseSegmentName('audit-4-17.ndjson.gz')).toEqual({ first: 4, last: 17 })
})
