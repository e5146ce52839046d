import { ADMIN } from '../lib/network.ts'
import { until } from '../lib/progress.ts'
import { appServices, type Row } from './scene.ts'

const PLACE = '/run/chaos-clock'
/** Deliveries that are watched after each step. */
const WATCHED = 25

/**
 * The clock leaps a minute back, then a minute forth. A host in a container has no clock of its own, so it leaps for Postgres and
 * the server alone: a library between them and the kernel adds what a file says to what they are told.
 */
export const clockStepped: Row = async (scene) => {
  const { host, drill } = scene
  const library = await drill.world.network.client([
    'sh',
    '-c',
    'base64 /usr/lib/*/faketime/libfaketimeMT.so.1',
  ])
  await host.sh('mkdir -p "$1"; base64 -d > "$1/libfaketime.so"; echo +0 > "$1/offset"', [PLACE], {
    input: library.stdout,
  })
  const services = ['postgres', ...(await appServices(scene))]
  const entry = {
    environment: {
      LD_PRELOAD: '/clock/libfaketime.so',
      FAKETIME_TIMESTAMP_FILE: '/clock/offset',
      FAKETIME_NO_CACHE: '1',
      FAKETIME_DISABLE_SHM: '1',
      FAKETIME_DONT_FAKE_MONOTONIC: '1',
    },
    volumes: [{ type: 'bind', source: PLACE, target: '/clock', read_only: true }],
  }
  // JSON is YAML.
  const change = JSON.stringify({ services: Object.fromEntries(services.map((name) => [name, entry])) })
  await host.write(`${PLACE}/compose.yml`, change)
  const compose = ADMIN.slice(0, ADMIN.indexOf('exec'))
  const up = ['up', '--detach', '--no-deps', '--wait', ...services]
  try {
    await host.exec([...compose, '-f', `${PLACE}/compose.yml`, ...up])
    await scene.back(Date.now())
    for (const offset of ['-60', '+0']) {
      const from = await scene.strike('echo "$1" > "$2/offset"', [offset, PLACE])
      const told = Number(await scene.script('docker exec whatsapp-mcp-postgres-1 date +%s'))
      const leap = Math.round(told - Date.now() / 1000)
      scene.expect(
        `the containers' clock follows (${offset})`,
        Math.abs(leap - Number(offset)) < 10,
        String(leap),
      )
      const seen = await until('traffic after the step', 60, async () => {
        const list = scene.traffic.attempts.filter(({ started }) => started >= from)
        return list.length >= WATCHED ? list : undefined
      })
      const failed = seen.filter(({ ok }) => !ok).map(({ what, outcome }) => `${what} ${outcome}`)
      scene.expect(`nobody notices (${offset})`, failed.length === 0, failed.join('\n'))
    }
  } finally {
    await host.exec([...compose, ...up])
    await host.exec(['rm', '-r', PLACE])
  }
}
