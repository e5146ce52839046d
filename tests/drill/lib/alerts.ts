import * as z from 'zod'
import { type Network, STAND_IN } from './network.ts'

const PORT = 9102
const FILE = '/dev/shm/alerts'

/** What is posted when a unit of a host has failed. */
const alertSchema = z.looseObject({
  unit: z.string(),
  text: z.string(),
  result: z.string(),
  lines: z.array(z.string()),
  since: z.number(),
})
export type ReceivedAlert = z.infer<typeof alertSchema>

/** The secret by which hosts know where to say that something failed. */
export const ALERT_SECRETS = { alert_url: `http://${STAND_IN.address}:${PORT}/alerts/for-the-drill` }

/** Starts the receiver on the client's machine. */
export async function startAlerts(network: Network): Promise<void> {
  const program = `/project/node_modules/.bin/node /project/tests/drill/probes/alerts.ts ${PORT} ${FILE}`
  await network.client(['sh', '-c', `setsid ${program} > /dev/null 2>&1 &`])
}

/** All that arrived so far, oldest first. */
export async function readAlerts(network: Network): Promise<readonly ReceivedAlert[]> {
  const { stdout } = await network.client(['sh', '-c', `cat ${FILE} 2>/dev/null || true`])
  return stdout
    .split('\n')
    .filter(Boolean)
    .map((line) => alertSchema.parse(JSON.parse(line)))
}
