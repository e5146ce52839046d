import { setTimeout as delay } from 'node:timers/promises'
import { openSession, type Session } from '../mcp.ts'
import type { Subject } from '../measure.ts'
import { residentMegabytes } from '../programs.ts'

const SESSIONS = 1_000
const AT_ONCE = 20
const SETTLE_MS = 4_000

export const sessions: Subject = {
  name: 'sessions',
  title: `memory of ${SESSIONS} idle MCP sessions with open streams`,
  run: async (openStack) => {
    const stack = await openStack()
    const server = await stack.startServer()
    const token = (n: number) => stack.tokens[n % stack.tokens.length] ?? ''
    // One of each first, so that code which is loaded on first use counts as idle.
    const first = await openSession(server, token(0))
    first.close()
    await delay(SETTLE_MS)
    const idle = await residentMegabytes(server)
    const open: Session[] = []
    while (open.length < SESSIONS) {
      const more = Array.from({ length: AT_ONCE }, (_, n) => openSession(server, token(n)))
      open.push(...(await Promise.all(more)))
    }
    await delay(SETTLE_MS)
    const busy = await residentMegabytes(server)
    for (const session of open) session.close()
    await server.stop()
    const detail = `${idle.toFixed(0)} MB idle, ${busy.toFixed(0)} MB with ${SESSIONS} open`
    return [{ name: 'idle sessions', value: busy - idle, unit: 'MB', bar: { atMost: 150 }, detail }]
  },
}
