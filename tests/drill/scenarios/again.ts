import { bootstrap, mustSucceed } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'

export const title = 'a second run changes nothing and says so'

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  // Without answers and key: the host remembers both.
  const second = await bootstrap(host, { args: [] })
  const report = mustSucceed(second)
  drill.measured.againSeconds = second.seconds
  const changed = report.steps.flatMap(({ resources }) =>
    resources.filter(({ state }) => state !== 'ok').map((resource) => `${resource.title}: ${resource.state}`),
  )
  drill.expect('nothing changed', report.changed === 0 && changed.length === 0, changed.join(', '))

  const plan = await bootstrap(host, { args: ['--plan'] })
  const states = plan.report?.steps.flatMap(({ resources }) => resources.map(({ state }) => state)) ?? []
  drill.expect('--plan succeeds', plan.code === 0, plan.stderr)
  drill.expect(
    '--plan finds every resource as it should be',
    states.length > 0 && states.every((s) => s === 'ok'),
  )
  drill.expect(
    '--plan says there is nothing to do',
    /nothing to do/i.test(plan.stderr + plan.stdout),
    plan.stderr,
  )
}
