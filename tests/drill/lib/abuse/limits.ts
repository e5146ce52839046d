import type { Drill } from '../drill.ts'
import { DOMAIN } from '../network.ts'
import { describe, type Outcome, request, type Stranger } from './stranger.ts'

/** As nginx.conf has them: requests that pass at once, and per second afterwards. */
interface Zone {
  readonly path: string
  /** Of the same path: it must count as much. */
  readonly spelling: string
  readonly burst: number
  readonly rate: number
  /** Asked at once: far more than can pass, however slow the machine is. */
  readonly requests: number
}

const ZONES: readonly Zone[] = [
  { path: '/health', spelling: '/%68ealth', burst: 5, rate: 0.1, requests: 20 },
  { path: '/mcp', spelling: '//x/../mcp', burst: 20, rate: 1, requests: 60 },
  { path: '/webhook/meta', spelling: '/webhook/./met%61', burst: 100, rate: 30, requests: 1_000 },
  { path: '/api/inngest', spelling: '/api//inngest', burst: 100, rate: 30, requests: 1_000 },
  {
    path: '/media/abcdefgh12345678',
    spelling: '/%6dedia/abcdefgh12345678',
    burst: 50,
    rate: 30,
    requests: 1_000,
  },
]
const CONNECTIONS = 20

/** Every zone refuses who asks too much, says when to come back, and takes nothing from anybody else. */
export async function probeLimits(drill: Drill, flood: Stranger, other: Stranger): Promise<void> {
  for (const zone of ZONES) {
    const outcomes = [...(await flood.attempt(attempts(zone), { parallel: CONNECTIONS })).values()]
    const statuses = outcomes.flatMap((found) => found.statuses)
    const passed = statuses.filter((status) => status !== 429).length
    const seconds = Math.max(...outcomes.map((found) => found.seconds))
    const most = Math.ceil(1 + zone.burst + zone.rate * seconds)
    const figures = `${passed} of ${statuses.length} in ${seconds.toFixed(1)} s, at most ${most}`
    drill.expect(
      `limits: ${zone.path} lets a burst through and no more`,
      statuses.length === zone.requests && passed > zone.burst && passed <= most && most < zone.requests,
      figures,
    )
    const refusal = outcomes.map(({ answer }) => refusalIn(answer)).find((text) => text !== undefined)
    drill.expect(
      `limits: ${zone.path}, a refusal says when to come back, and keeps the other headers`,
      refusal !== undefined &&
        /^retry-after: \d+\r$/im.test(refusal) &&
        /^strict-transport-security: /im.test(refusal),
      refusal,
    )
    const [neighbour] = (await other.attempt([single(zone.path)])).values()
    const untouched = neighbour?.statuses.length === 1 && neighbour.statuses[0] !== 429
    drill.expect(`limits: ${zone.path}, another client notices nothing`, untouched, describe(neighbour))
  }
}

const single = (path: string) => ({ name: path, say: [request(`GET ${path}`)] })

function attempts({ path, spelling, requests }: Zone): Parameters<Stranger['attempt']>[0] {
  const each = requests / CONNECTIONS
  const honest = (i: number) => `GET ${i % 2 === 0 ? path : spelling} HTTP/1.1\r\nHost: ${DOMAIN}\r\n\r\n`
  return Array.from({ length: CONNECTIONS }, (_, i) => ({
    name: `${path} ${i}`,
    say: [Array.from({ length: each - 1 }, (_, j) => honest(j)).join(''), request(`GET ${path}`)],
    seconds: 60,
  }))
}

/** The head of the first 429. */
function refusalIn(answer: string): string | undefined {
  return /HTTP\/1\.1 429 [\s\S]*?\r\n\r\n/.exec(answer)?.[0]
}

const WAITING = 130
const MOST = 100
/** More than one, so that none of them is over its own limit. */
const PLACES = ['/webhook/meta', '/api/inngest']

/** Connections that hold a request each: some more than one client may have. */
export async function probeConnections(drill: Drill, flood: Stranger, other: Stranger): Promise<void> {
  const held = flood.attempt(
    Array.from({ length: WAITING }, (_, i) => ({
      name: `held ${i}`,
      say: [request(`POST ${PLACES[i % PLACES.length]}`, { headers: ['Content-Length: 100'], body: 'a' })],
      seconds: 75,
    })),
    { parallel: WAITING },
  )
  const [neighbour] = (await other.attempt([single('/webhook/meta')])).values()
  drill.expect(
    'limits: while they wait, others are answered',
    neighbour?.statuses.join() === '404',
    describe(neighbour),
  )
  const outcomes = [...(await held).values()]
  const refused = outcomes.filter(({ statuses }) => statuses.join() === '429')
  drill.expect(
    `limits: of ${WAITING} connections of one client, ${MOST} may wait`,
    refused.length === WAITING - MOST && refused.every(({ answer }) => /^retry-after: \d+\r$/im.test(answer)),
    `${refused.length} refused`,
  )
  const left = outcomes.filter(({ end }: Outcome) => end === 'open').length
  drill.expect('limits: and those are hung up on', left === 0, `${left} still there`)
}
