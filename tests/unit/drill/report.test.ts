import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test, vi } from 'vitest'
import { newestReport, verifyReport } from '../../drill/lib/history.ts'
import { type DrillReport, machine, STAND_INS, writeReport } from '../../drill/lib/report.ts'
import { markdown } from '../../drill/lib/report-page.ts'
import { isSignedBy, openSigningKey, type SigningKey, signText } from '../../drill/lib/signature.ts'

let directory: string
let key: SigningKey

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'report-test-'))
  key = await openSigningKey(directory)
})
afterEach(() => {
  vi.unstubAllEnvs()
  rmSync(directory, { recursive: true })
})

const passed = { title: 'holds', ok: true }
const base: Omit<DrillReport, 'previous' | 'key' | 'started'> = {
  ok: false,
  seconds: 700,
  commit: 'abc1234',
  modified: false,
  machine: machine({ version: '29', cgroup: '2' }),
  standIns: STAND_INS,
  scenarios: [
    {
      name: 'recover',
      title: 'a lost host',
      seconds: 200.04,
      checks: [passed, { title: 'equal', ok: false, detail: 'x\n'.repeat(50) }],
    },
    { name: 'upgrade', title: 'there and back', seconds: 0, checks: [], skipped: 'no such commit' },
  ],
  bars: [
    { scenario: 'recover', title: 'a lost host', unit: 's', limit: 360, value: 212.123, ok: true },
    { scenario: 'chaos', title: 'sends: arrived twice', unit: '', limit: 0, value: 1, ok: false },
  ],
  floor: {},
  steps: [],
  phases: {},
}

async function write(hour: number): Promise<string> {
  const started = new Date(Date.UTC(2026, 10, 21, hour)).toISOString()
  const report = { ...base, started, previous: await newestReport(directory), key: key.publicKey }
  await writeReport(report, directory, { key, copy: join(directory, 'copy.json') })
  return join(directory, 'report.json')
}
const kept = () => readdirSync(join(directory, 'history')).sort()
const alter = (file: string, change: (text: string) => string) =>
  writeFileSync(file, change(readFileSync(file, 'utf8')))
const historyFile = (index: number) =>
  join(directory, 'history', kept().filter((name) => name.endsWith('.json'))[index] ?? '')

test('reports are signed, kept, and each names the one before', async () => {
  await write(7)
  await write(8)
  const file = await write(9)
  expect(kept()).toHaveLength(6)
  const { faults, links, signer } = await verifyReport(file)
  expect(faults).toEqual([])
  expect(links.map(({ started }) => started.slice(11, 13))).toEqual(['09', '08', '07'])
  expect(signer).toMatch(/^SHA256:\S{43}$/)
  expect((await verifyReport(historyFile(1))).links).toHaveLength(2)
  expect((await verifyReport(join(directory, 'copy.json'))).links).toHaveLength(3)
  expect((await verifyReport(file, key.publicKey)).faults).toEqual([])
})

test.each<[string, () => void, RegExp]>([
  [
    'a figure changed',
    () => alter(join(directory, 'report.json'), (text) => text.replace('212.123', '112.123')),
    /not signed by/,
  ],
  [
    'a verdict changed',
    () => alter(join(directory, 'report.json'), (text) => text.replace('"ok": false', '"ok": true')),
    /not signed by/,
  ],
  ['no signature', () => rmSync(join(directory, 'report.json.sig')), /not signed by/],
  [
    'a report of before changed',
    () => alter(historyFile(0), (text) => text.replace('700', '600')),
    /07:00.* or 08|before that of .*08:00.* is missing/,
  ],
  ['a report of before removed', () => rmSync(historyFile(1)), /before that of .*09:00.* is missing/],
  [
    'the signature of before removed',
    () => rmSync(`${historyFile(0)}.sig`),
    /of 2026-11-21T07:00.* is not signed/,
  ],
  ['no report at all', () => writeFileSync(join(directory, 'report.json'), '{}'), /no signed report/],
])('%s: it is found', async (_, tamper, expected) => {
  for (const hour of [7, 8, 9]) await write(hour)
  tamper()
  expect((await verifyReport(join(directory, 'report.json'))).faults).toEqual([
    expect.stringMatching(expected),
  ])
})

test('signed again with another key it is another signer, and not the one that is asked for', async () => {
  const file = await write(7)
  const other = await openSigningKey(mkdtempSync(join(directory, 'other-')))
  alter(file, (text) => text.replace('"ok": false', '"ok": true').replace(key.publicKey, other.publicKey))
  writeFileSync(`${file}.sig`, await signText(readFileSync(file, 'utf8'), other))
  expect((await verifyReport(file)).faults).toEqual([])
  expect((await verifyReport(file, key.publicKey)).faults).toHaveLength(1)
  key = other
  await write(8)
  expect((await verifyReport(file)).faults).toEqual([expect.stringContaining('07:00')])
})

test('the key is the one that was named, or is made once and private', async () => {
  expect((await openSigningKey(directory)).publicKey).toBe(key.publicKey)
  expect(execFileSync('stat', ['-c', '%a', key.file]).toString()).toBe('600\n')
  const own = join(directory, 'own')
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-N', '', '-f', own])
  vi.stubEnv('DRILL_SIGNING_KEY', own)
  const named = await openSigningKey(directory)
  expect(named.file).toBe(own)
  expect(readFileSync(`${own}.pub`, 'utf8')).toContain(named.publicKey)
  vi.stubEnv('DRILL_SIGNING_KEY', join(directory, 'absent'))
  await expect(openSigningKey(directory)).rejects.toThrow('absent')
  chmodSync(own, 0o600)
})

test('a signature is for one text and one purpose', async () => {
  const signature = await signText('text', key)
  expect(await isSignedBy('text', signature, key.publicKey)).toBe(true)
  expect(await isSignedBy('text\n', signature, key.publicKey)).toBe(false)
  const foreign = execFileSync('ssh-keygen', ['-q', '-Y', 'sign', '-n', 'file', '-f', key.file], {
    input: 'text',
  })
  expect(await isSignedBy('text', foreign.toString(), key.publicKey)).toBe(false)
})

test('the page shows figures with their limits, what failed, and who signed', async () => {
  await write(7)
  const page = readFileSync(join(directory, 'report.md'), 'utf8')
  expect(page).toContain('# Drill of 2026-11-21 07:00 UTC: FAILED')
  expect(page).toContain('| recover: a lost host | ✗ | 1/2 | 200.0 |')
  expect(page).toContain('| upgrade: there and back | skipped: no such commit | 0/0 | 0.0 |')
  expect(page).toContain('| a lost host | recover | ✓ | 212.12 s | 360 s |')
  // Faults make a table of their own.
  expect(page).toContain('| chaos: what happens, under traffic |  | value | limit |')
  expect(page).toContain('| sends: arrived twice | ✗ | 1  | 0  |')
  expect(page).toContain('### recover: equal')
  expect(page).toContain(key.publicKey)
  expect(page).toContain('It is the first of its history.')
  expect(page).not.toContain('step of the bootstrap')
  // One page, whatever fails.
  expect(page.split('\n').length).toBeLessThan(60)
  const report = {
    ...base,
    started: '2026-11-21T08:00:00.000Z',
    previous: 'f'.repeat(64),
    key: key.publicKey,
  }
  expect(markdown(report, 'SHA256:x')).toContain(`The report before it: ${'f'.repeat(16)}…`)
})

test('the command says who signed and what hangs together', async () => {
  const file = await write(7)
  const run = (...argv: string[]) =>
    spawnSync(process.execPath, ['tests/drill/all.ts', ...argv], { encoding: 'utf8' })
  expect(run('--verify', file)).toMatchObject({
    status: 0,
    stdout: expect.stringMatching(/FAILED\n1 reports, signed by SHA256:/),
  })
  alter(file, (text) => text.replace('700', '701'))
  expect(run('--verify', file)).toMatchObject({ status: 1, stdout: expect.stringMatching(/^FAULT /) })
})
