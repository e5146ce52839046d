import type { Drill } from '../lib/drill.ts'
import { searchCanaries } from '../lib/outside/canaries.ts'
import { probeClients } from '../lib/outside/clients.ts'
import { probeHeaders } from '../lib/outside/headers.ts'
import { probeNames } from '../lib/outside/names.ts'
import { scanPorts } from '../lib/outside/ports.ts'

export const title = 'from outside there is only what should be, and no secret is left anywhere'

export async function run(drill: Drill): Promise<void> {
  const { host, run: first } = await drill.undisturbed()
  await scanPorts(drill, host)
  await probeNames(drill)
  const token = await probeClients(drill, host)
  await probeHeaders(drill, host)
  await searchCanaries(drill, host, { token, bootstrapOutput: first.stdout + first.stderr })
}
