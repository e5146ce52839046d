import * as z from 'zod'
import { REPOSITORY } from './bootstrap.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'

const answer = z.object({
  checks: z.array(z.object({ title: z.string(), ok: z.boolean(), detail: z.string() })),
})

/** The project's own smoke test, run on the host; each of its checks is one of ours. */
export async function smoke(drill: Drill, host: Host): Promise<void> {
  const argv = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/scripts/smoke.ts`, '--json']
  if (drill.standIn) argv.push('--stand-in', drill.standIn.phone, '--number', drill.standIn.numberId)
  const result = await host.exec(argv, { mayFail: true })
  const parsed = answer.safeParse(result.stdout.trimStart().startsWith('{') ? JSON.parse(result.stdout) : {})
  if (!parsed.success) throw new Error(`the smoke test printed no result\n${result.stdout}${result.stderr}`)
  for (const check of parsed.data.checks) drill.expect(`smoke: ${check.title}`, check.ok, check.detail)
}
