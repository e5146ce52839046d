import { expect, test } from 'vitest'
import { patient } from '../../scripts/lib/request.ts'

/** Answers in this order, then 200. */
function answering(...first: readonly Response[]) {
  const answers = [...first]
  const bodies: unknown[] = []
  const ask: typeof fetch = async (_input, init) => {
    bodies.push(init?.body)
    return answers.shift() ?? new Response('at last')
  }
  return { ask, bodies }
}

const refusal = (after?: string) =>
  new Response('', { status: 429, ...(after && { headers: { 'retry-after': after } }) })

test('the same request is made again when the answer says to', async () => {
  const { ask, bodies } = answering(refusal('1'), refusal('1'))
  const started = performance.now()
  const response = await patient(ask)('http://127.0.0.1/', { method: 'POST', body: 'same' })
  expect([response.status, await response.text(), bodies]).toEqual([200, 'at last', ['same', 'same', 'same']])
  expect(performance.now() - started).toBeGreaterThan(1900)
})

test('after a second where the answer does not say when', async () => {
  const { ask } = answering(refusal(), refusal('Sun, 06 Nov 1994 08:49:37 GMT'))
  const started = performance.now()
  expect((await patient(ask)('http://127.0.0.1/')).status).toBe(200)
  expect(performance.now() - started).toBeGreaterThan(1900)
})

test('a limit for minutes is told and not waited for', async () => {
  const { ask, bodies } = answering(refusal('60'))
  expect((await patient(ask)('http://127.0.0.1/')).status).toBe(429)
  expect(bodies.length).toBe(1)
})

test('nothing else is asked twice', async () => {
  const { ask, bodies } = answering(new Response('', { status: 503, headers: { 'retry-after': '1' } }))
  expect((await patient(ask)('http://127.0.0.1/')).status).toBe(503)
  expect(bodies.length).toBe(1)
})
