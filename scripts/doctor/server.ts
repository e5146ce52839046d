import * as z from 'zod'
import { admin } from './ask.ts'
import { type Check, no, notSure, yes } from './check.ts'

const numbersSchema = z.array(
  z.object({ label: z.string(), state: z.string(), quality: z.string().nullable() }),
)
const outboxSchema = z.array(z.object({ name: z.string(), state: z.string(), run_after: z.string() }))

const LATE_MS = 300_000
const SILENT = 'the admin command gives no answer'

async function outbox(state: 'ready' | 'dead' | 'held'): Promise<z.infer<typeof outboxSchema> | undefined> {
  const rows = await admin('outbox', 'show', '--state', state, '--lines', '1000')
  return rows === undefined ? undefined : outboxSchema.parse(rows)
}

export const server: readonly Check[] = [
  {
    id: 'server.numbers',
    statement: 'every number is live: Meta accepts its token and its pace',
    async look() {
      const list = await admin('numbers', 'list')
      if (list === undefined) return notSure(SILENT, 'wa numbers list')
      const numbers = numbersSchema.parse(list)
      if (numbers.length === 0) return no('no number is served', 'docs/operations/phone-number-onboarding.md')
      const off = numbers.filter(({ state }) => !['live', 'disabled'].includes(state))
      return off.length === 0
        ? yes(`${numbers.length} numbers`)
        : no(
            off.map(({ label, state }) => `${label} is ${state}`).join(', '),
            'docs/operations/incidents/token.md',
          )
    },
  },
  {
    id: 'server.quality',
    statement: 'Meta is content with every number',
    async look() {
      const list = await admin('numbers', 'list')
      if (list === undefined) return notSure(SILENT, 'wa numbers list')
      const rated = numbersSchema.parse(list).filter(({ quality }) => quality !== null)
      const poor = rated.filter(({ quality }) => /^(red|yellow|low|medium)$/i.test(quality ?? ''))
      if (poor.length > 0)
        return no(poor.map(({ label, quality }) => `${label}: ${quality}`).join(', '), 'wa usage')
      return rated.length === 0 ? yes('no rating was reported') : yes(`${rated.length} rated`)
    },
  },
  {
    id: 'server.queue',
    statement: 'nothing has been due for more than five minutes',
    async look() {
      const rows = await outbox('ready')
      if (rows === undefined) return notSure(SILENT, 'wa outbox show')
      const late = rows.filter((row) => Date.now() - Date.parse(row.run_after) > LATE_MS)
      return late.length === 0
        ? yes(`${rows.length} rows wait`)
        : no(`${late.length} rows, such as ${late[0]?.name}`, 'wa outbox show --state ready')
    },
  },
  {
    id: 'server.stuck',
    statement: 'nothing waits for the operator',
    async look() {
      const [dead, held] = await Promise.all([outbox('dead'), outbox('held')])
      if (dead === undefined || held === undefined) return notSure(SILENT, 'wa outbox show')
      return dead.length + held.length === 0
        ? yes('no dead and no held rows')
        : no(
            `${dead.length} dead, ${held.length} held`,
            dead.length > 0 ? 'wa outbox show --state dead' : 'wa outbox show --state held',
          )
    },
  },
]
