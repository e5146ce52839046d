import * as z from 'zod'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { ADMIN, DOMAIN, STAND_IN } from './network.ts'
import { until } from './progress.ts'

/** Meta's ids of the number that the drill's WhatsApp serves. */
const NUMBER = '200000000000002'
export const ACCOUNT = '100000000000001'

/** In Meta's place, on the client's machine: a Graph API, and the phone of a customer. */
export interface StandIn {
  readonly phone: string
  readonly numberId: string
}

const startedSchema = z.object({ phone: z.url() })

/** Starts it unless it runs, and gives the host's owner the number it serves unless it is known there. */
export async function standInFor(drill: Drill, host: Host): Promise<StandIn> {
  drill.standIn ??= await start(drill)
  const known = await host.exec([...ADMIN, 'numbers', 'list', '--json'])
  if (!known.stdout.includes(NUMBER)) await addNumber(host)
  return drill.standIn
}

async function start(drill: Drill): Promise<StandIn> {
  const { network, material } = drill.world
  const settings = {
    token: material.canaries.wa_default_access_token,
    appSecret: material.canaries.wa_app_secret,
    numberId: NUMBER,
    wabaId: ACCOUNT,
    webhook: `https://${DOMAIN}/webhook/meta`,
    host: STAND_IN.address,
    graphPort: STAND_IN.graphPort,
    phonePort: STAND_IN.phonePort,
  }
  const program = '/project/node_modules/.bin/node /project/tests/fakes/phone/main.ts'
  await network.client(['sh', '-c', 'cat > /dev/shm/settings'], { input: JSON.stringify(settings) })
  await network.client([
    ...['sh', '-c'],
    `NODE_EXTRA_CA_CERTS=/root/acme-root.pem setsid ${program} < /dev/shm/settings > /dev/shm/started 2>&1 &`,
  ])
  const phone = await until('the WhatsApp stand-in', 20, async () => {
    const { stdout } = await network.client(['cat', '/dev/shm/started'], { mayFail: true })
    return stdout.trimStart().startsWith('{') ? startedSchema.parse(JSON.parse(stdout)).phone : undefined
  })
  return { phone: `${phone}/smoke`, numberId: NUMBER }
}

async function addNumber(host: Host): Promise<void> {
  const admin = (...argv: string[]) => host.exec([...ADMIN, ...argv])
  await admin('clients', 'create', '--name', 'owner', '--display-name', 'Owner', '--owner')
  await admin('numbers', 'add', '--phone-id', NUMBER, '--waba', ACCOUNT, '--label', 'Drill')
}
