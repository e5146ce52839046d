import { BaseSequencer, type TestSpecification } from 'vitest/node'

/** Those that kill and start many processes, or wait for them. Begun last they would be waited for alone. */
const LONGEST = [
  'integration/server/kill-send',
  'integration/secrets/secrets-commands',
  'integration/server/kill-webhook',
  'integration/local',
  'integration/offsite/sync',
  'unit/rotate/verbs',
  'unit/reference',
]

const rank = ({ moduleId }: TestSpecification) => {
  const found = LONGEST.findIndex((name) => moduleId.endsWith(`/tests/${name}.test.ts`))
  return found < 0 ? LONGEST.length : found
}

/** The longest files of all projects first, so that the short ones fill the time beside them. */
export class LongestFirst extends BaseSequencer {
  override async sort(specs: TestSpecification[]): Promise<TestSpecification[]> {
    return (await super.sort(specs)).sort((a, b) => rank(a) - rank(b))
  }
}
