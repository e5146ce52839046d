import { execFileSync, spawnSync } from 'node:child_process'
import { renameSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { verifyArchive } from '../../../scripts/audit/archive.ts'
import { headName, headText, sign } from '../../../scripts/audit/head.ts'
import { Chain, LINE, newKey, rewrite, START, temporary } from './fixtures.ts'

const HOUR = 3_600_000
const LATER = '20270131T200000Z'
const key = newKey()

async function writeHead(directory: string, chain: Chain, keyFile = key.keyFile): Promise<void> {
  const text = headText({ id: chain.head.id, hash: chain.head.hash.toString('hex') })
  const path = join(directory, headName(chain.head.id))
  writeFileSync(path, text)
  writeFileSync(`${path}.sig`, await sign(text, keyFile))
}

/** Three hours of a host, as they arrive. */
async function arrived() {
  const root = temporary()
  const line = join(root, LINE)
  const chain = new Chain()
  const segments = [chain.close(line), chain.close(line), chain.close(line)]
  await writeHead(line, chain)
  const faults = async (now = START + 3 * HOUR) =>
    (await verifyArchive(root, { signers: key.signers, now: new Date(now) })).faults
  return { root, line, chain, segments, faults }
}

test('an archive that is whole, signed and fresh', async () => {
  const { root } = await arrived()
  const now = new Date(START + 3 * HOUR)
  expect(await verifyArchive(root, { signers: key.signers, now })).toEqual({
    ok: true,
    lines: [{ name: LINE, segments: 3, rows: 9, last: 9, signed: 9 }],
    newest: '2027-01-31T14:00:00.000Z',
    age_seconds: 3600,
    pauses: [],
    faults: [],
  })
})

test('its age is measured where it lies', async () => {
  const { faults } = await arrived()
  expect(await faults(START + 3.5 * HOUR)).toEqual([])
  expect(await faults(START + 3.6 * HOUR)).toEqual([
    expect.stringContaining('is 96 minutes old, and 90 are the limit'),
  ])
  expect(await faults(START)).toEqual([expect.stringContaining('in the future')])
  expect((await verifyArchive(temporary())).faults).toEqual(['the archive holds no heartbeat'])
})

test('a head that the host did not sign, or signed for another row, is found', async () => {
  const { line, chain, faults } = await arrived()
  const path = join(line, headName(9))
  const head = headText({ id: 9, hash: chain.head.hash.toString('hex') })
  writeFileSync(`${path}.sig`, await sign(head, newKey().keyFile))
  expect(await faults()).toEqual([`${LINE}: head-9.json is not signed by the host`])
  rmSync(`${path}.sig`)
  expect(await faults()).toEqual([`${LINE}: head-9.json is not signed by the host`])
  const forged = headText({ id: 9, hash: 'a'.repeat(64) })
  writeFileSync(path, forged)
  writeFileSync(`${path}.sig`, await sign(forged, key.keyFile))
  expect(await faults()).toEqual([`${LINE}: row 9 is not the one whose hash the host signed`])
  writeFileSync(path, '{}')
  expect(await faults()).toContain(`${LINE}: head-9.json does not hold a head of row 9`)
  rmSync(path)
  expect(await faults()).toEqual([`${LINE}: rows 1 to 9 are covered by no signed head`])
})

test('rows rewritten with hashes that fit do not fit the head of old', async () => {
  const { line, chain, segments, faults } = await arrived()
  const [, second, third] = segments
  if (!second || !third) throw new Error('three')
  const forger = new Chain()
  forger.close(temporary())
  forger.close(line, [{ n: 8 }, { n: 8 }])
  forger.close(line)
  expect(await faults()).toEqual([`${LINE}: row 9 is not the one whose hash the host signed`])
  await writeHead(line, forger, newKey().keyFile)
  expect(await faults()).toEqual([`${LINE}: head-9.json is not signed by the host`])
  expect(chain.head.id).toBe(forger.head.id)
})

test('a segment removed, damaged, or cut off at the end with its head is found or stale', async () => {
  const { line, segments, faults } = await arrived()
  const [, second, third] = segments
  if (!second || !third) throw new Error('three')
  renameSync(second.path, join(line, 'aside'))
  expect(await faults()).toEqual([`${LINE}: rows 4 to 6 are missing before ${third.name}`])
  renameSync(join(line, 'aside'), second.path)
  rewrite(second, ([, ...rest]) => rest)
  expect(await faults()).toEqual([expect.stringContaining('row 4 is missing')])
  for (const name of [third.path, join(line, headName(9)), join(line, `${headName(9)}.sig`)]) rmSync(name)
  expect((await faults()).length).toBeGreaterThan(1)
})

test('a restored database goes on in a line of its own, from a row both know', async () => {
  const { root, line, faults } = await arrived()
  const chain = new Chain()
  const old = temporary()
  chain.close(old)
  chain.close(old)
  const restored = chain.fork()
  const other = join(root, LATER)
  restored.hour = 3
  restored.close(other, [{ n: 7 }])
  await writeHead(other, restored)
  expect(await faults()).toEqual([])
  const report = await verifyArchive(root, { signers: key.signers, now: new Date(START + 4 * HOUR) })
  expect(report.lines[1]).toEqual({
    ...{ name: LATER, segments: 1, rows: 2, last: 8, signed: 8 },
    continues: { line: LINE, row: 6 },
  })
  expect(report.newest).toBe('2027-01-31T15:00:00.000Z')

  rmSync(line, { recursive: true })
  expect(await faults()).toContain(`${LATER}: row 6 is missing, or is another one in the older lines`)
})

const run = (...argv: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/verify-audit.ts', ...argv], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('the command says so, with its exit code', async () => {
  const root = temporary()
  const line = join(root, LINE)
  const chain = new Chain(Date.now() - HOUR)
  const first = chain.close(line)
  chain.close(line)
  await writeHead(line, chain)
  const whole = run(root, '--signers', key.signers)
  expect(whole).toMatchObject({ status: 0, stdout: expect.stringContaining('whole and fresh') })
  expect(run(root, '--signers', newKey().signers)).toMatchObject({ status: 1 })
  rewrite(first, (lines) => lines.slice(1))
  const { status, stdout } = run(root, '--json')
  expect(status).toBe(1)
  expect(JSON.parse(stdout)).toMatchObject({
    ok: false,
    faults: [expect.stringContaining('row 1 is missing')],
  })
  expect(run()).toMatchObject({ status: 2, stderr: expect.stringContaining('Name one directory') })
  expect(run(root, '--max-age', 'x')).toMatchObject({ status: 2 })
  expect(run('--help')).toMatchObject({ status: 0, stdout: expect.stringContaining('Exit codes') })
  expect(run('/nonexistent')).toMatchObject({ status: 1, stderr: expect.stringContaining('ENOENT') })
})

test('without packages and without the rest of the repository, it runs', () => {
  const place = temporary()
  const files = ['archive', 'chain', 'head', 'program', 'segment'].map((name) => `scripts/audit/${name}.ts`)
  execFileSync('cp', ['--parents', 'scripts/verify-audit.ts', ...files, place])
  writeFileSync(join(place, 'package.json'), '{"type":"module"}')
  const path = join(place, 'scripts/verify-audit.ts')
  const result = spawnSync(process.execPath, [path, temporary()], { encoding: 'utf8', cwd: place })
  expect(result).toMatchObject({ status: 1, stdout: 'FAULT the archive holds no heartbeat\n1 faults\n' })
})
