/** The proof: health, certificate, headers, a signed webhook and a real MCP client. */
import { isMain } from '../scripts/lib/entry.ts'
import { Fail } from '../scripts/lib/fail.ts'
import { smoke } from '../scripts/lib/smoke.ts'
import { formatChecks, smokeHost } from '../scripts/smoke.ts'
import { startFirstBackup } from './lib/jobs.ts'
import { sandboxTarget } from './lib/local.ts'
import { main } from './lib/main.ts'
import { say } from './lib/report.ts'
import type { Step } from './lib/resource.ts'

const step: Step = {
  id: '50-smoke',
  title: 'Smoke test',
  // Nothing to establish: this step only proves the others, and is left out of a plan.
  host: () => [],
  local: () => [],
  async verify(context) {
    if (!context.start) return
    const checks = await (context.mode === 'host'
      ? smokeHost({ address: '127.0.0.1', certificateMayBeDue: context.recovering })
      : smoke(await sandboxTarget(context)))
    say(formatChecks(checks))
    const failed = checks.filter(({ ok }) => !ok)
    if (failed.length > 0) {
      throw new Fail(failed.map(({ title, detail }) => `${title}: ${detail}`).join('\n'), {
        next: 'mend the cause, then: npx zx bootstrap/50-smoke.ts',
      })
    }
    if (context.mode === 'host' && (await startFirstBackup(context)))
      say('    the first backup has begun: systemctl status whatsapp-mcp-backup')
  },
}

export default step
if (isMain(import.meta.url)) await main([step])
