import { spawnSync } from 'node:child_process'
import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, test } from 'vitest'
import { writeAtomically } from '../../../secrets/atomic.ts'

let directory: string

beforeEach(async () => {
  directory = await mkdtemp(join(tmpdir(), 'atomic-'))
})
afterEach(() => rm(directory, { recursive: true }))

test('what a killed writer left is removed by the next, what another is writing is not', async () => {
  const dead = spawnSync(process.execPath, ['-e', '']).pid
  const left = `.unit.service.${dead}.0123456789ab.tmp`
  const others = [`.unit.service.${process.pid}.0123456789ab.tmp`, `.other.${dead}.0123456789ab.tmp`]
  for (const name of [left, ...others]) await writeFile(join(directory, name), 'half')
  await writeAtomically(join(directory, 'unit.service'), 'whole', 0o644)
  expect((await readdir(directory)).sort()).toEqual([...others, 'unit.service'].sort())
  expect(await readFile(join(directory, 'unit.service'), 'utf8')).toBe('whole')
})
