import { ms, percentile } from '../figures.ts'
import { runPaced } from '../loads/load.ts'
import { callTool } from '../mcp.ts'
import type { Subject } from '../measure.ts'
import { LONG_AGO, type Seeded, seedMessages } from '../seed.ts'

const FEW = 10_000
const MANY = 1_000_000
const ROUNDS = 3
const PAGES = 250

/** Two databases side by side, asked in turn, so that whatever else the machine does meets both. */
export const history: Subject = {
  name: 'history',
  title: 'get_messages among a million messages, against ten thousand',
  run: async (openStack) => {
    const sides = []
    for (const size of [FEW, MANY]) {
      const stack = await openStack()
      const seeded = await seedMessages(stack, size)
      const requests = { bodies: pages(seeded), tokens: stack.tokens }
      sides.push({ server: await stack.startServer(), requests, times: [] as number[] })
    }
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const { server, requests, times } of sides) {
        times.push(...(await runPaced({ url: `${server.origin}/mcp`, requests, rate: 50, seconds: 5 })))
      }
    }
    for (const { server } of sides) await server.stop()
    const [few = Number.NaN, many = Number.NaN] = sides.map(({ times }) => percentile(times, 0.99))
    const medians = sides.map(({ times }) => ms(percentile(times, 0.5)))
    const detail = `p99 ${ms(few)} of ${FEW}, medians ${medians.join(' and ')}`
    return [
      { name: 'get_messages of 1,000,000, p99', value: many, unit: 'ms', bar: { atMost: 15 }, detail },
      { name: 'the same, against 10,000', value: many / few, unit: '×', bar: { atMost: 1.5 }, detail },
    ]
  },
}

/** What agents ask for: mostly the newest page, pages from anywhere, and those of one person. */
function pages({ numbers, contacts }: Seeded): string[] {
  const age = Date.now() - LONG_AGO.getTime()
  return Array.from({ length: PAGES }, (_, n) => {
    const phone_number_id = numbers[n % numbers.length]
    const since = new Date(LONG_AGO.getTime() + Math.random() * age * 0.99).toISOString()
    const kinds = [{}, { since }, { contact: contacts[n % contacts.length] }, { since, direction: 'inbound' }]
    const contactsOwnNumber = n % kinds.length === 2
    return callTool('get_messages', {
      ...kinds[n % kinds.length],
      ...(!contactsOwnNumber && { phone_number_id }),
    })
  })
}
