import { join } from 'node:path'
import { expect, it } from 'vitest'
import type { Answers } from '../../../bootstrap/lib/answers.ts'
import { stackEnvironment } from '../../../bootstrap/lib/compose.ts'
import { ANSWERS, recorder, testContext } from './recorder.ts'

const ROOT = join(import.meta.dirname, '../../..')

async function environment(answers: Partial<Answers>): Promise<string[]> {
  const context = { ...testContext(recorder().shell), root: ROOT, answers: { ...ANSWERS, ...answers } }
  return (await stackEnvironment(context)).split('\n')
}

it('names what was answered, and leaves the rest to the compose file', async () => {
  const bare = await environment({})
  expect(bare).toContain('WA_DOMAIN=wa.example.org')
  expect(bare.filter((line) => /^WA_.*RETENTION|^WA_GRAPH|INNGEST|undefined/.test(line))).toEqual([])
})

it('hands on for how long messages and files are kept', async () => {
  const lines = await environment({ messages_retention_days: 90, media_retention_days: 30 })
  expect(lines).toContain('WA_MESSAGES_RETENTION_DAYS=90')
  expect(lines).toContain('WA_MEDIA_RETENTION_DAYS=30')
})
