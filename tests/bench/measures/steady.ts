import { ms, percentile } from '../figures.ts'
import { deliveries, runPaced } from '../loads/load.ts'
import type { Subject } from '../measure.ts'
import { allProcessed } from '../processed.ts'

const RATE = 500

export const steady: Subject = {
  name: 'steady',
  title: `${RATE} deliveries a second: until each is durably stored`,
  run: async (openStack) => {
    const stack = await openStack()
    const bare = await stack.startFloor('insert')
    const floor = await runPaced({ ...deliveries(stack, bare), rate: RATE, seconds: 5 })
    await bare.stop()
    const server = await stack.startServer()
    const ours = await runPaced({ ...deliveries(stack, server), rate: RATE, seconds: 10 })
    const behind = await allProcessed(stack)
    await server.stop()
    const figures = `median ${ms(percentile(ours, 0.5))}, floor's p99 ${ms(percentile(floor, 0.99))}`
    return [
      {
        name: `ack p99 at ${RATE}/s`,
        value: percentile(ours, 0.99),
        unit: 'ms',
        bar: { atMost: 10 },
        detail: `${figures}, all processed ${ms(behind)} later`,
      },
    ]
  },
}
