import { settle } from '../chaos/account.ts'
import { clockStepped } from '../chaos/clock.ts'
import {
  appDockerKilled,
  appHung,
  appKilled,
  memoryFull,
  nginxKilled,
  supervisorKilled,
} from '../chaos/containers.ts'
import { diskFull, networkCut, postgresKilled, postgresStopped } from '../chaos/database.ts'
import { idleConnections, slowBodies, slowHeaders } from '../chaos/floods.ts'
import { dockerKilled, dockerRestarted, rebooted, secretsFail } from '../chaos/machine.ts'
import { certificateExpired, dnsDead, graphDead } from '../chaos/outside.ts'
import { type Row, Scene } from '../chaos/scene.ts'
import type { Drill } from '../lib/drill.ts'
import { say, timed } from '../lib/progress.ts'
import { Traffic } from '../lib/traffic.ts'

export const title = 'under steady traffic it bears every fault without losing or doubling anything'

const ROWS: Readonly<Record<string, Row>> = {
  'Postgres stopped': postgresStopped,
  'server killed': appKilled,
  'server: docker kill': appDockerKilled,
  'server hangs': appHung,
  'nginx killed': nginxKilled,
  'dockerd restarted': dockerRestarted,
  'dockerd killed': dockerKilled,
  'Postgres killed': postgresKilled,
  'supervisor killed': supervisorKilled,
  'network cut': networkCut,
  'Graph dead': graphDead,
  'DNS dead': dnsDead,
  'memory limit': memoryFull,
  'certificate expired': certificateExpired,
  'slow headers': slowHeaders,
  'slow bodies': slowBodies,
  'idle connections': idleConnections,
  'clock stepped': clockStepped,
  'secrets fail': secretsFail,
  'disk full': diskFull,
  'host rebooted': rebooted,
}

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const { network, authority } = drill.world
  // Its certificates grow old here, and age shall be all that is wrong with them.
  await network.client(['sh', '-c', 'cat > /root/drill-root.pem'], { input: authority.certificate })
  const traffic = await Traffic.start(drill, host, 'chaos')
  const scene = new Scene(drill, host, traffic)
  for (const [name, row] of Object.entries(ROWS)) {
    await scene.ready()
    const from = Date.now()
    try {
      await timed(`  ${name}`, () => row(scene))
    } catch (error) {
      // The other rows still have something to say.
      drill.expect(`${name}: comes back`, false, error instanceof Error ? error.stack : String(error))
    }
    say(`    deliveries that failed: ${scene.failures(from) || 'none'}`)
  }
  await settle(scene)
}
