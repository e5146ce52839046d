import { replayEvents } from '../inbound/replay.ts'
import { past } from './checks.ts'
import { type Command, command } from './command.ts'
import { may, must } from './option.ts'

export const eventCommands: readonly Command[] = [
  command({
    name: 'events replay',
    summary: 'processes stored deliveries once more; what is there already stays as it is',
    audited: 'with',
    options: {
      since: must('WHEN', 'received from then on: 24h ago, or a moment such as 2026-01-31T12:00:00Z', past),
      until: may('WHEN', 'and before then; default: now', past),
    },
    run:
      ({ since, until }) =>
      async ({ sql }) => {
        const count = await replayEvents(sql, { since, until })
        const range = { since: since.toISOString(), until: until?.toISOString() ?? null }
        return {
          data: { events: count, ...range },
          text: `${count} deliveries will be processed once more`,
          audit: { detail: { events: count, ...range } },
        }
      },
  }),
]
