import type { Listening } from '../programs.ts'
import type { Stack } from '../stack.ts'
import { runClosed } from './load.ts'

const ROUNDS = 3
/** Enough callers at once for those who share a commit to find each other. */
const CONNECTIONS = 64

/** Requests per second of each side and round; sides in turn, so that whatever else the machine does meets all. */
export async function throughput(
  stack: Stack,
  body: string,
  sides: readonly (() => Promise<Listening>)[],
): Promise<readonly (readonly number[])[]> {
  const requests = { bodies: [body], tokens: stack.tokens }
  const results: number[][] = sides.map(() => [])
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [index, open] of sides.entries()) {
      const server = await open()
      await askOnce(stack, server, body)
      const url = `${server.origin}/mcp`
      const { rps } = await runClosed({ url, requests, seconds: 4, connections: CONNECTIONS })
      results[index]?.push(rps)
      await server.stop()
    }
  }
  return results
}

/** @returns the answer. @throws when it is an error, which a load alone would not notice. */
export async function askOnce(stack: Stack, { origin }: Listening, body: string): Promise<string> {
  const headers = {
    authorization: `Bearer ${stack.tokens[0]}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const response = await fetch(`${origin}/mcp`, { method: 'POST', headers, body })
  const answer = await response.text()
  const { error, result } = JSON.parse(answer) as { error?: unknown; result?: { isError?: boolean } }
  if (!response.ok || error !== undefined || result?.isError) {
    throw new Error(`${body} was answered with ${response.status} ${answer.slice(0, 300)}`)
  }
  return answer
}
