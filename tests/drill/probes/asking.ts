/**
 * Reads `{url, key, stop}` on standard input, connects one MCP client and keeps asking it, through every restart of the
 * server, until the file `stop` is there. Prints `{asked, failed, longest}`: calls, failed ones, seconds of the longest
 * time without an answer.
 */
import { access } from 'node:fs/promises'
import { json } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { Client } from '@modelcontextprotocol/sdk/client/index.js'
import { StreamableHTTPClientTransport } from '@modelcontextprotocol/sdk/client/streamableHttp.js'
import type { Transport } from '@modelcontextprotocol/sdk/shared/transport.js'
import * as z from 'zod'
import { patient } from '../../../scripts/lib/request.ts'

/** The proxy lets 60 a minute through. */
const EVERY_MS = 1_200
const CALL_MS = 5_000

const { url, key, stop } = z
  .object({ url: z.url(), key: z.string(), stop: z.string() })
  .parse(await json(process.stdin))
const client = new Client({ name: 'drill', version: '1' })
const transport = new StreamableHTTPClientTransport(new URL(url), {
  fetch: patient(fetch),
  requestInit: { headers: { authorization: `Bearer ${key}` } },
})
// The class and the interface disagree under exactOptionalPropertyTypes.
await client.connect(transport as Transport)
let [asked, failed, longest, answeredAt] = [0, 0, 0, Date.now()]
while (!(await isThere(stop))) {
  asked += 1
  const answered = await client.callTool({ name: 'ping' }, undefined, { timeout: CALL_MS }).then(
    ({ isError }) => isError !== true,
    () => false,
  )
  if (!answered) failed += 1
  longest = Math.max(longest, Date.now() - answeredAt)
  if (answered) answeredAt = Date.now()
  await sleep(EVERY_MS)
}
process.stdout.write(JSON.stringify({ asked, failed, longest: longest / 1000 }))
process.exit(0)

function isThere(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  )
}
