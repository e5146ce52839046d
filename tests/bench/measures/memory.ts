import { setTimeout as delay } from 'node:timers/promises'
import type { Subject } from '../measure.ts'
import { residentMegabytes } from '../programs.ts'

export const memory: Subject = {
  name: 'memory',
  title: 'resident memory of a server at rest',
  run: async (openStack) => {
    const stack = await openStack()
    const server = await stack.startServer()
    await fetch(`${server.origin}/health`)
    await delay(2_000)
    const value = await residentMegabytes(server)
    await server.stop()
    return [{ name: 'memory at rest', value, unit: 'MB', bar: { atMost: 90 }, detail: 'resident' }]
  },
}
