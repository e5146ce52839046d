import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import * as z from 'zod'
import { type Drill, PROJECT } from '../lib/drill.ts'
import { run as runProgram, tail } from '../lib/run.ts'

export const title = "the tests that need Docker for Postgres' programs: cut, flipped, killed, exchanged"

/** What vitest's JSON reporter writes, as far as it is used. */
const resultSchema = z.object({
  testResults: z.array(
    z.object({
      name: z.string(),
      message: z.string().optional(),
      assertionResults: z.array(
        z.object({
          fullName: z.string(),
          status: z.string(),
          failureMessages: z.array(z.string()).nullish(),
        }),
      ),
    }),
  ),
})

const DIRECTORY = 'tests/integration/backup/'

/** `npm test` skips them where Docker does not run; here it does, and skipping is failing. */
export async function run(drill: Drill): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'drill-programs-'))
  try {
    const output = join(directory, 'result.json')
    const node = join(PROJECT, 'node_modules/.bin/node')
    const vitest = join(PROJECT, 'node_modules/vitest/vitest.mjs')
    const reporter = ['--reporter=json', `--outputFile=${output}`, '--coverage.enabled=false']
    const result = await runProgram([node, vitest, 'run', ...reporter, DIRECTORY], {
      cwd: PROJECT,
      limit: 900,
      mayFail: true,
    })
    const text = await readFile(output, 'utf8').catch(() => undefined)
    if (text === undefined)
      return drill.expect('the tests ran', false, tail(result.stderr || result.stdout, 30))
    for (const file of resultSchema.parse(JSON.parse(text)).testResults) {
      if (file.assertionResults.length === 0) drill.expect(`${file.name} ran`, false, file.message)
      for (const test of file.assertionResults)
        drill.expect(test.fullName, test.status === 'passed', test.failureMessages?.join('\n') || test.status)
    }
  } finally {
    await rm(directory, { recursive: true })
  }
}
