import * as z from 'zod'
import { REPOSITORY } from '../lib/bootstrap.ts'
import { BREAKAGES } from '../lib/breakages.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { proveNightlyReport } from '../lib/nightly.ts'
import { standInFor } from '../lib/stand-in.ts'

export const title = 'the doctor says yes, and no as soon as a thing is broken'

/** What cannot be a yes on a host in a container, or depends on the machine below it. */
const EXCEPTIONS: Readonly<Record<string, string>> = {
  'operations.clock': 'a container has the clock of its machine and keeps none',
  'data.disk': "the disk is that of the drill's machine",
}

const answersSchema = z.object({
  answers: z.array(
    z.object({ id: z.string(), verdict: z.string(), evidence: z.string(), next: z.string().optional() }),
  ),
})
type Answers = z.infer<typeof answersSchema>['answers']

async function ask(host: Host, ...options: readonly string[]): Promise<Answers> {
  const node = `${REPOSITORY}/node_modules/.bin/node`
  const said = await host.exec([node, `${REPOSITORY}/scripts/doctor.ts`, '--json', ...options], {
    mayFail: true,
    limit: 180,
  })
  if (!said.stdout.startsWith('{')) throw new Error(said.stderr)
  return answersSchema.parse(JSON.parse(said.stdout)).answers
}

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  await standInFor(drill, host)
  for (const job of ['backup', 'offsite', 'audit', 'prove-restore'])
    await host.exec(['systemctl', 'start', `whatsapp-mcp-${job}.service`], { mayFail: true, limit: 180 })
  await host.exec(['systemctl', 'reset-failed'], { mayFail: true })

  const all = await ask(host)
  const wrong = all.filter(({ id, verdict }) => verdict !== 'yes' && !(id in EXCEPTIONS))
  const say = (answers: Answers) =>
    answers.map(({ id, verdict, evidence }) => `${id}: ${verdict}, ${evidence}`).join('\n')
  drill.expect('a host in service is all yes, but for the exceptions listed', wrong.length === 0, say(wrong))
  const tried = new Set(BREAKAGES.map(({ id }) => id))
  const untried = all.filter(({ id }) => !tried.has(id) && !(id in EXCEPTIONS)).map(({ id }) => id)
  drill.expect(
    'each line is tried, but for four',
    untried.join() === 'secrets.swap,network.certificate,containers.age,operations.logs',
    untried.join(),
  )

  for (const { id, spoil, mend } of BREAKAGES) {
    const spoilt = await host.sh(spoil, [], { limit: 90, mayFail: true })
    const [broken] = spoilt.code === 0 ? await ask(host, '--only', id) : []
    await host.sh(mend, [], { limit: 90 })
    const [mended] = await ask(host, '--only', id)
    drill.expect(
      `${id} is noticed, names the next command, and is forgotten when mended`,
      broken !== undefined &&
        broken.verdict !== 'yes' &&
        broken.next !== undefined &&
        mended?.verdict === 'yes',
      `${say([broken, mended].filter((one) => one !== undefined))}\n${spoilt.stderr}`,
    )
  }
  await proveNightlyReport(drill, host)
}
