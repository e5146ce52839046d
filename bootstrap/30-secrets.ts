/** The secrets file, decrypted to memory at every boot: one file per value, for the one container that needs it. */
import { isMain } from '../scripts/lib/entry.ts'
import { inspectExploded } from '../secrets/explode.ts'
import { readSecrets } from '../secrets/file.ts'
import { parseIdentity } from '../secrets/identity.ts'
import type { Context } from './lib/context.ts'
import { readIfThere } from './lib/files.ts'
import { sandboxSecrets } from './lib/local.ts'
import { main } from './lib/main.ts'
import type { Resource, Step } from './lib/resource.ts'
import { isActive, isEnabled, restartUnit, unitFile } from './lib/units.ts'

const UNIT = 'whatsapp-mcp-secrets.service'

const step: Step = {
  id: '30-secrets',
  title: 'Secrets',
  host: (context) => [unitFile(UNIT, context), decrypted(context)],
  local: (context) => [sandboxSecrets(context)],
}

export default step
if (isMain(import.meta.url)) await main([step])

function decrypted({ paths, shell }: Context): Resource {
  return {
    title: 'secrets',
    async inspect() {
      if (!(await isEnabled(UNIT, shell))) return `${UNIT} does not start at boot`
      if (!(await isActive(UNIT, shell))) return 'they are not decrypted'
      const key = parseIdentity((await readIfThere(paths.ageKey)) ?? '')
      if (!key.ok) return `${paths.ageKey} is missing`
      const differences = await inspectExploded(
        await readSecrets(paths.secretsFile, key.identity),
        paths.secrets,
      )
      return differences.length === 0 ? undefined : differences.join(', ')
    },
    async apply() {
      await shell()`systemctl enable ${UNIT}`
      // A running stack restarts with it, and reads the new values.
      await restartUnit(UNIT, shell, 120)
    },
  }
}
