import { median } from '../figures.ts'
import { type ClosedResult, deliveries, runClosed } from '../loads/load.ts'
import type { Subject } from '../measure.ts'

const ROUNDS = 3

/** Deliveries are stored while those before them are being processed, as on a host; the floor only stores. */
export const webhook: Subject = {
  name: 'webhook',
  title: 'signed deliveries as fast as they are taken, against one INSERT each',
  run: async (openStack) => {
    const stack = await openStack()
    const ours: ClosedResult[] = []
    const floor: ClosedResult[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      for (const [results, open] of [
        [floor, () => stack.startFloor('insert')],
        [ours, () => stack.startServer()],
      ] as const) {
        const server = await open()
        results.push(await runClosed({ ...deliveries(stack, server), seconds: 4, connections: 16 }))
        await server.stop()
      }
    }
    const of = (results: ClosedResult[], key: 'rps' | 'p99') => median(results.map((one) => one[key]))
    const both = (key: 'rps' | 'p99') => `${of(ours, key).toFixed(0)}, floor ${of(floor, key).toFixed(0)}`
    const bar = { atLeast: 0.7 }
    return [
      {
        name: 'webhook, requests per second',
        value: of(ours, 'rps') / of(floor, 'rps'),
        unit: '× floor',
        bar,
        detail: both('rps'),
      },
      {
        name: 'webhook, p99 (floor / ours)',
        value: of(floor, 'p99') / of(ours, 'p99'),
        unit: '×',
        bar,
        detail: `${both('p99')} ms`,
      },
    ]
  },
}
