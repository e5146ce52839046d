import { afterAll, beforeAll, expect, test } from 'vitest'
import { type Said, type Stage, say, startStage } from './stage.ts'

/** A deployment in the middle of the day. */

const SENDS = 30

let stage: Stage

beforeAll(async () => {
  stage = await startStage()
})
afterAll(() => stage?.stop())

test('S3.2 SIGTERM within 30 sends: what was begun is ended, the rest is sent by the next process, at once', {
  timeout: 60_000,
}, async () => {
  const { db, graph, program } = stage
  const start = () => program.start({ databaseUrl: db.url, graphUrl: graph.url })
  const first = await start()
  await say(stage, first.origin, 'warm', { dry_run: true })
  graph.behave({ slow: 700 })
  const waiting = say(stage, first.origin, 'message-0')
  await expect.poll(() => graph.requests.length, { interval: 5 }).toBe(1)
  const keys = Array.from({ length: SENDS }, (_, n) => `message-${n}`)
  const said = await Promise.all(keys.map((key) => say(stage, first.origin, key, { wait_s: 0 })))
  const started = performance.now()
  first.terminate()
  expect(await first.exit).toBe(0)
  expect(performance.now() - started).toBeLessThan(5_000)
  expect(await waiting).toEqual({ ...said[0], state: 'accepted' })

  const states = (await rows()).map(({ state }) => state)
  expect([...new Set(states)].sort()).toEqual(['accepted', 'queued'])
  expect(graph.sent).toHaveLength(states.filter((state) => state === 'accepted').length)

  graph.behave(undefined)
  await start()
  // Sooner than any lease runs out.
  await expect.poll(async () => (await rows()).every(({ state }) => state === 'accepted')).toBe(true)
  const ids = said.map(({ messageId }) => messageId).sort()
  expect(graph.sent.map(({ callback }) => callback).sort()).toEqual(ids)
  expect((await rows()).map(({ messageId }) => messageId)).toEqual(ids)
})

function rows() {
  return stage.db.sql<Said[]>`select id as "messageId", status as state from messages order by id`
}
