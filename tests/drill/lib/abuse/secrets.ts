import { createHmac, randomInt, randomUUID } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'
import { until } from '../progress.ts'
import { withAppAway } from './app-away.ts'
import { describe, request, type Stranger } from './stranger.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'probes', 'logs.sh')
const PATTERNS = '/run/drill-patterns'
const POSTGRES = 'whatsapp-mcp-postgres-1'

/** What a log must not repeat, whatever becomes of the request that carries it. */
const canary = `canary${randomUUID().replaceAll('-', '')}`
const phone = `1555${randomInt(1_000_000, 9_999_999)}`
/** In the shape of a key, so that the database is asked for it. */
const key = `wamcp_live_${Array.from({ length: 28 }, () => 'abcdefghijklmnopqrstuvwxyz234567'[randomInt(32)]).join('')}`
/** What a log does repeat: the search must find it. */
const marker = `marker-${randomUUID()}`

const QUERY = `hub.mode=subscribe&hub.verify_token=${canary}&hub.challenge=${canary}`
const HEADERS = [
  `Authorization: Bearer ${canary}`,
  `Cookie: session=${canary}`,
  `User-Agent: ${canary}`,
  `Referer: https://evil.example/?token=${canary}`,
  `X-Request-Id: ${canary} ${phone}`,
]
const BODY = JSON.stringify({ from: phone, to: `+${phone}`, text: canary })
const LENGTH = `Content-Length: ${BODY.length}`
const BAD_SIGNATURE = `X-Hub-Signature-256: sha256=${'0'.repeat(64)}`

type Try = readonly [status: string, said: string]

/** Every request that strangers make, by the answer it gets. */
const REFUSED: readonly Try[] = [
  ['404', request(`GET /webhook/meta?${QUERY}`, { headers: HEADERS })],
  ['404', request(`GET /${marker}?${QUERY}`, { headers: HEADERS })],
  ['404', request(`GET /media/${canary}?${QUERY}`, { headers: HEADERS })],
  ['404', request(`GET /%6dedia/${canary}`, { headers: HEADERS })],
  [
    '404',
    request(`POST /webhook/meta?${QUERY}`, { headers: [...HEADERS, BAD_SIGNATURE, LENGTH], body: BODY }),
  ],
  ['401', request(`POST /mcp?${QUERY}`, { headers: [...HEADERS, LENGTH], body: BODY })],
  ['405', request(`TRACE /mcp?${QUERY}`, { headers: HEADERS })],
  [
    '400',
    request(`POST /webhook/meta?${QUERY}`, {
      headers: [...HEADERS, 'Transfer-Encoding: chunked'],
      body: `${canary}\r\n`,
    }),
  ],
  ['400', request(`GET /webhook/meta?${QUERY}`, { headers: [`X-Long: ${canary.repeat(400)}`] })],
  [
    '413',
    request(`POST /webhook/meta?${QUERY}`, { headers: [...HEADERS, 'Content-Length: 9999999'], body: BODY }),
  ],
  ['414', request(`GET /webhook/meta?${QUERY}${canary.repeat(400)}`, { headers: HEADERS })],
  ['421', request(`GET /webhook/meta?${QUERY}`, { headers: HEADERS, host: 'evil.example' })],
]

const WAY = [request('GET /api/inngest')]

const BAD_GATEWAY: readonly Try[] = [
  ['502', request(`GET /webhook/meta?${QUERY}`, { headers: HEADERS })],
  ['502', request(`GET /media/${canary}?${QUERY}`, { headers: HEADERS })],
  ['502', request(`POST /mcp?${QUERY}`, { headers: [...HEADERS, LENGTH], body: BODY })],
]

/** Makes requests that carry secrets fail in every way, and looks for the secrets in all logs. */
export async function probeSecrets(
  drill: Drill,
  host: Host,
  by: { stranger: Stranger; flood: Stranger },
): Promise<void> {
  const { stranger, flood } = by
  await expectAnswers(drill, stranger, REFUSED)
  const health: Try = ['429', request(`GET /health?${QUERY}`, { headers: HEADERS })]
  const many = await flood.attempt(
    Array.from({ length: 12 }, (_, i) => ({ name: `health ${i}`, say: [health[1]] })),
  )
  drill.expect(
    'logs: a 429 is among the answers',
    [...many.values()].some(({ statuses }) => statuses.join() === '429'),
  )
  await withAppAway(host, async () => {
    // More than nginx keeps open to the app: such a connection knows nothing of the cut, and waits.
    const many = Array.from({ length: 70 }, (_, i) => ({ name: `away ${i}`, say: WAY, seconds: 4 }))
    await until('502 while nginx has no app', 60, async () => {
      const found = [...(await stranger.attempt(many, { parallel: many.length })).values()]
      return found.every(({ statuses }) => statuses.join() === '502') || undefined
    })
    await expectAnswers(drill, stranger, BAD_GATEWAY)
  })
  await until('the app behind nginx', 30, async () => {
    const [found] = (await stranger.attempt([{ name: 'back', say: WAY }])).values()
    return found?.statuses.join() === '404' || undefined
  })
  await host.exec(['docker', 'pause', POSTGRES])
  try {
    await expectAnswers(
      drill,
      stranger,
      withoutDatabase(await host.read('/run/whatsapp-mcp/secrets/app/wa_app_secret')),
    )
  } finally {
    await host.exec(['docker', 'unpause', POSTGRES])
  }
  await search(drill, host)
}

/** Both need the database, and say that it is away. */
function withoutDatabase(secret: string): readonly Try[] {
  const signature = `X-Hub-Signature-256: sha256=${createHmac('sha256', secret).update(BODY).digest('hex')}`
  return [
    ['503', request(`POST /webhook/meta?${QUERY}`, { headers: [...HEADERS, signature, LENGTH], body: BODY })],
    [
      '503',
      request('POST /mcp', {
        headers: [`Authorization: Bearer ${key}`, LENGTH],
        body: BODY,
      }),
    ],
  ]
}

async function expectAnswers(drill: Drill, stranger: Stranger, tries: readonly Try[]): Promise<void> {
  const attempts = tries.map(([status, text], i) => ({ name: `${status} ${i}`, say: [text] }))
  const outcomes = await stranger.attempt(attempts)
  for (const [i, [status, text]] of tries.entries()) {
    const found = outcomes.get(`${status} ${i}`)
    const [line = ''] = text.split(/[?\r]/)
    drill.expect(
      `logs: ${line.replaceAll(canary, '…')} gets ${status}`,
      found?.statuses.join() === status,
      describe(found),
    )
  }
}

async function search(drill: Drill, host: Host): Promise<void> {
  const script = await readFile(SCRIPT)
  const look = async (patterns: readonly string[]): Promise<string[]> => {
    await host.write(PATTERNS, [...patterns, ''].join('\n'), '0400')
    const { stdout } = await host.exec(['sh', '-s', PATTERNS], { input: script, limit: 120 })
    await host.exec(['rm', PATTERNS])
    return stdout.split('\n').filter(Boolean)
  }
  await host.sh('printf %s "$1" | systemd-cat -t drill', [marker])
  const planted = await until('the marker in the journal', 20, async () => {
    const places = await look([marker])
    return places.includes('journal') ? places : undefined
  })
  drill.expect(
    'logs: what nginx and the journal wrote is found',
    planted.some((place) => place.includes('-json.log')),
    planted.join('\n'),
  )
  const places = await look([canary, key, phone])
  drill.expect(
    'logs: no secret and no phone number is in any of them',
    places.length === 0,
    places.join('\n'),
  )
  const audited = [
    'exec',
    '-T',
    'postgres',
    'psql',
    '-U',
    'postgres',
    '-d',
    'wa_mcp',
    '-At',
    '-v',
    'ON_ERROR_STOP=1',
  ]
  const sql = `select count(*), count(*) filter (where a::text like '%${canary}%' or a::text like '%${phone}%') from audit_log a`
  const compose = [
    'docker',
    'compose',
    '-f',
    '/opt/whatsapp-mcp/docker-compose.prod.yml',
    '--env-file',
    '/etc/whatsapp-mcp/stack.env',
  ]
  const { stdout } = await host.exec([...compose, ...audited, '-c', sql])
  drill.expect('logs: nor in the audit log', /^[1-9]\d*\|0$/.test(stdout.trim()), stdout)
}
