import { execFileSync, spawnSync } from 'node:child_process'
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { beforeEach, expect, test } from 'vitest'
import { verifyArchive } from '../../../scripts/audit/archive.ts'
import { headName, headText, sign } from '../../../scripts/audit/head.ts'
import { Chain, newKey, rewrite, START, temporary } from './fixtures.ts'

const HOUR = 3_600_000
let key: ReturnType<typeof newKey>
beforeEach(() => {
  key = newKey()
})

async function writeHead(directory: string, { head }: Chain, keyFile = key.keyFile): Promise<string> {
  const end = { id: head.id, hash: head.hash.toString('hex') }
  const path = join(directory, headName(end))
  writeFileSync(path, headText(end))
  writeFileSync(`${path}.sig`, await sign(headText(end), keyFile))
  return path
}

/** Three hours of a host, as they arrive. */
async function arrived() {
  const directory = temporary()
  const chain = new Chain()
  const first = chain.close(directory)
  const second = chain.close(directory)
  const third = chain.close(directory)
  const head = await writeHead(directory, chain)
  const report = (now = START + 3 * HOUR) =>
    verifyArchive(directory, { signers: key.signers, now: new Date(now) })
  const faults = async (now?: number) => (await report(now)).faults
  return { directory, chain, first, second, third, head, report, faults }
}

test('an archive that is whole, signed and fresh', async () => {
  const { report } = await arrived()
  expect(await report()).toEqual({
    ...{ ok: true, segments: 3, rows: 9, last: 9, restores: [], pauses: [], faults: [] },
    newest: '2027-01-31T14:00:00.000Z',
    age_seconds: 3600,
  })
})

test('its age is measured where it lies', async () => {
  const { faults } = await arrived()
  expect(await faults(START + 3.5 * HOUR)).toEqual([])
  expect(await faults(START + 3.6 * HOUR)).toEqual([
    'the newest heartbeat is 96 minutes old, and 90 are the limit: nothing arrives',
  ])
  expect(await faults(START)).toEqual([expect.stringContaining('120 minutes in the future')])
  expect((await verifyArchive(temporary())).faults).toEqual(['the archive holds no heartbeat'])
})

test('hours without a heartbeat are told', async () => {
  const { directory, chain, report } = await arrived()
  chain.hour += 1
  chain.close(directory)
  await writeHead(directory, chain)
  expect(await report(START + 5 * HOUR)).toMatchObject({
    ok: true,
    pauses: [{ after: '2027-01-31T14:00:00.000Z', before: '2027-01-31T16:00:00.000Z', minutes: 120 }],
  })
})

test('a head that the host did not sign, or that speaks of another row, is found', async () => {
  const { directory, chain, head, faults } = await arrived()
  const name = basename(head)
  const text = readFileSync(head, 'utf8')
  writeFileSync(`${head}.sig`, await sign(text, newKey().keyFile))
  expect(await faults()).toEqual([`${name} is not signed by the host`])
  rmSync(`${head}.sig`)
  expect(await faults()).toEqual([`${name} is not signed by the host`])
  writeFileSync(head, text.replace('9}', '8}'))
  expect(await faults()).toContain(`${name} does not hold the head it is named after`)
  rmSync(head)
  expect(await faults()).toEqual(['the rows up to 9 are covered by no head'])
  await writeHead(directory, chain)
  const ahead = chain.fork()
  ahead.close(temporary())
  const later = await writeHead(directory, ahead)
  expect(await faults()).toEqual([`${basename(later)} speaks of a row 12 that is not here`])
})

test('rows rewritten with hashes that fit do not fit what the host signed', async () => {
  const { directory, second, third, head, faults } = await arrived()
  const forger = new Chain()
  forger.close(temporary())
  forger.close(directory, [{ n: 8 }, { n: 8 }])
  forger.close(directory)
  expect(await faults()).toEqual(
    expect.arrayContaining([expect.stringContaining('does not say that a backup was restored')]),
  )
  for (const { path } of [second, third]) rmSync(path)
  expect(await faults()).toContain(`${basename(head)} speaks of a row 9 that is not here`)
  for (const path of [head, `${head}.sig`]) rmSync(path)
  expect(await faults()).toEqual(['the rows up to 9 are covered by no head'])
  const forged = await writeHead(directory, forger, newKey().keyFile)
  expect(await faults()).toEqual([`${basename(forged)} is not signed by the host`])
})

test('a segment removed, damaged, or cut off at the end is found', async () => {
  const { directory, first, second, third, head, faults } = await arrived()
  renameSync(second.path, join(directory, 'aside'))
  expect(await faults()).toEqual([`rows 4 to 6 are missing before ${third.name}`])
  renameSync(join(directory, 'aside'), second.path)
  renameSync(first.path, join(directory, 'aside'))
  expect(await faults()).toEqual(['the first rows are missing'])
  renameSync(join(directory, 'aside'), first.path)
  rmSync(third.path)
  expect(await faults()).toContain(`${basename(head)} speaks of a row 9 that is not here`)
  rewrite(second, ([, ...rest]) => rest)
  expect(await faults()).toEqual(expect.arrayContaining([expect.stringContaining('row 4 is missing')]))
})

test('a host that came back from a backup: both branches are kept, each with its signed end', async () => {
  const { directory, first, chain, report } = await arrived()
  const backup = new Chain()
  backup.close(temporary())
  expect(first.last).toBe(backup.head.id)
  const back = backup.restore(3)
  back.close(directory)
  const path = await writeHead(directory, back)
  const now = START + 5 * HOUR
  expect(await report(now)).toMatchObject({
    ok: true,
    rows: 13,
    restores: [4],
    newest: '2027-01-31T16:00:00.000Z',
  })
  rmSync(path)
  expect((await report(now)).faults).toEqual(['the rows up to 7 are covered by no head'])
  expect(chain.head.id).toBe(9)
})

const run = (...argv: string[]) => {
  const { status, stdout, stderr } = spawnSync(process.execPath, ['scripts/verify-audit.ts', ...argv], {
    encoding: 'utf8',
  })
  return { status, stdout, stderr }
}

test('the command says so, with its exit code', async () => {
  const root = temporary()
  const chain = new Chain(Date.now() - HOUR)
  const first = chain.close(root)
  chain.close(root)
  await writeHead(root, chain)
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
  const files = ['archive', 'chain', 'head', 'overlap', 'program', 'segment'].map(
    (name) => `scripts/audit/${name}.ts`,
  )
  execFileSync('cp', ['--parents', 'scripts/verify-audit.ts', ...files, place])
  writeFileSync(join(place, 'package.json'), '{"type":"module"}')
  const path = join(place, 'scripts/verify-audit.ts')
  const result = spawnSync(process.execPath, [path, temporary()], { encoding: 'utf8', cwd: place })
  expect(result).toMatchObject({
    status: 1,
    stdout: '0 segments, 0 rows up to 0\nFAULT the archive holds no heartbeat\n1 faults\n',
  })
})
