import { afterAll, beforeAll, expect, test } from 'vitest'
import { verifyAudit } from '../../../server/audit/verify.ts'
import { delivery, post, status } from './payloads.ts'
import type { ServerProcess } from './process-under-test.ts'
import { type Said, type Stage, say, sendFile, startStage } from './stage.ts'
import { Fuse, startTap, type Tap } from './tap.ts'

/** The server is killed at each exchange with Postgres and Meta while it sends: at the first, at the second, until none is left. */

let stage: Stage
let taps: { database: Tap; meta: Tap }
const fuse = new Fuse()

beforeAll(async () => {
  stage = await startStage()
  taps = { database: await startTap(stage.db.url, fuse), meta: await startTap(stage.graph.url, fuse) }
  const compiles = await start()
  compiles.terminate()
  await compiles.exit
})
afterAll(async () => {
  await stage?.stop()
  await taps?.database.close()
  await taps?.meta.close()
})

/** Far more than there are: about 60. */
const MOST = 150

async function start(): Promise<ServerProcess> {
  const server = await stage.program.start({ databaseUrl: taps.database.url, graphUrl: taps.meta.url })
  // With its keys, grants and connections at hand, so that what counts is the sending.
  await say(stage, server.origin, 'warm', { dry_run: true })
  return server
}

async function rowOf(key: string): Promise<Said | undefined> {
  const [row] = await stage.db.sql<Said[]>`
    select id as "messageId", status as state from messages where idempotency_key = ${key}`
  return row
}

const postsOf = ({ messageId }: Said) => stage.graph.sent.filter(({ callback }) => callback === messageId)

/** What a caller is told of a row in that state. */
const told = ({ messageId, state }: Said): Said => ({
  messageId,
  state: state === 'unknown' ? 'outcome_unknown' : state,
})

test.each([
  ['every exchange', 'a text', say, 1],
  ['every fourth exchange', 'a file', sendFile, 4],
] as const)(
  'D3.4 S3.2 killed at %s from the call to the end of sending %s: one send or an honest unknown, whoever asks again',
  {
    timeout: 300_000,
  },
  async (_, what, send, step) => {
    const ends: string[] = []
    let server = await start()
    for (let n = 1; n <= MOST; n += step) {
      const again = () => send(stage, server.origin, `${what} ${n}`)
      fuse.light(n, () => server.kill())
      const answer = await again().catch((error: unknown) => {
        // The connection broke, as it should; anything else is news.
        if (error instanceof TypeError) return undefined
        throw error
      })
      await stage.drained(() => fuse.isBurnt)
      if (!fuse.isBurnt) break
      await server.exit
      fuse.replace()
      await stage.bury()
      server = await start()
      await stage.drained()
      ends.push(await settle(server, `${what} ${n}`, answer, again))
    }
    expect(fuse.isBurnt).toBe(false)
    expect(ends.length).toBeGreaterThan(20 / step)
    expect(ends).toEqual(expect.arrayContaining(['never began', 'accepted', 'unknown, delivered']))
    expect(await verifyAudit(stage.db.sql)).toMatchObject({ ok: true })
  },
)

/** Checks what became of a message whose server was killed. @returns which of the permitted ends it is. */
async function settle(
  server: ServerProcess,
  key: string,
  answer: Said | undefined,
  again: () => Promise<Said>,
): Promise<string> {
  const row = await rowOf(key)
  if (row === undefined) {
    expect(answer).toBeUndefined()
    const said = await again()
    expect(said).toEqual({ messageId: (await rowOf(key))?.messageId, state: 'accepted' })
    expect(postsOf(said)).toHaveLength(1)
    return 'never began'
  }
  if (answer) expect(answer).toEqual(told(row))
  expect(['accepted', 'unknown']).toContain(row.state)
  expect(await again()).toEqual(told(row))
  const posts = postsOf(row)
  if (row.state === 'accepted') expect(posts).toHaveLength(1)
  else expect(posts.length).toBeLessThanOrEqual(1)
  for (const { wamid, callback } of posts) await report(server, wamid, callback ?? '')
  const final = posts.length === 0 ? row : { ...row, state: 'delivered' }
  expect(await rowOf(key)).toEqual(final)
  expect(await again()).toEqual(told(final))
  expect(postsOf(row)).toEqual(posts)
  return row.state === 'unknown' && posts.length > 0 ? 'unknown, delivered' : row.state
}

/** What Meta says of everything it has accepted, sooner or later. */
async function report({ origin }: ServerProcess, wamid: string, callback: string): Promise<void> {
  const statuses = [status(wamid, 'delivered', { callback })]
  expect((await post(origin, delivery(stage.number, { statuses }))).status).toBe(200)
  await stage.drained()
}
