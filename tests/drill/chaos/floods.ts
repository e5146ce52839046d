import { PROJECT } from '../lib/drill.ts'
import { docker } from '../lib/engine.ts'
import { common, DOMAIN, NETWORK } from '../lib/network.ts'
import { until } from '../lib/progress.ts'
import type { Row, Scene } from './scene.ts'

/** Deliveries that are watched while the flood lasts. */
const WATCHED = 20

export const slowHeaders: Row = (scene) => flood(scene, 'headers', 1_000, 'chaosSlowHeaders')
export const slowBodies: Row = (scene) => flood(scene, 'body', 1_000, 'chaosSlowBodies')
export const idleConnections: Row = (scene) => flood(scene, 'idle', 10_000, 'chaosIdleConnections')

/**
 * Lets a machine of its own flood the host, for limits count by address. Meta and the agent must not notice; measures the
 * slowest of their calls meanwhile.
 */
async function flood(scene: Scene, kind: string, connections: number, figure: string): Promise<void> {
  const { images } = scene.drill.world
  const name = `${NETWORK}-flood`
  const program = ['/project/node_modules/.bin/node', '/project/tests/drill/probes/flood.ts']
  await docker([
    ...['run', '-d', '--rm', ...common('flood'), '--init', '--ulimit', 'nofile=20000:20000'],
    ...['-v', `${PROJECT}:/project:ro`, images.client, ...program, kind, String(connections), DOMAIN],
  ])
  try {
    const said = async () => (await docker(['logs', name])).stdout.trim() || undefined
    const began = Date.now()
    const there = await until(`${connections} connections`, 60, said).catch(() => 'fewer')
    scene.expect(`${connections} connections are open (${kind})`, there === String(connections), there)
    const from = Date.now()
    const seen = await until('traffic beside the flood', 60, async () => {
      const attempts = scene.traffic.attempts.filter(({ started }) => started >= began)
      return attempts.filter(({ started, what }) => started >= from && what === 'delivery').length >= WATCHED
        ? attempts
        : undefined
    })
    const failed = seen.filter(({ ok }) => !ok).map(({ what, outcome }) => `${what} ${outcome}`)
    scene.expect(`others are answered meanwhile (${kind})`, failed.length === 0, failed.join('\n'))
    scene.measure(figure, Math.max(...seen.map(({ started, ended }) => ended - started)) / 1000)
  } finally {
    await docker(['rm', '-f', name])
  }
}
