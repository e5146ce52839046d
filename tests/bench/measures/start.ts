import { spawn } from 'node:child_process'
import { median, ms } from '../figures.ts'
import type { Subject } from '../measure.ts'

const ROUNDS = 7

export const start: Subject = {
  name: 'start',
  title: 'start to listening, against the start of Node itself',
  run: async (openStack) => {
    const stack = await openStack()
    const ours: number[] = []
    const floor: number[] = []
    for (let round = 0; round < ROUNDS; round += 1) {
      const started = performance.now()
      await new Promise((resolve) => spawn(process.execPath, ['-e', '0']).once('exit', resolve))
      floor.push(performance.now() - started)
      const server = await stack.startServer()
      ours.push(server.ms)
      await server.stop()
    }
    const value = median(ours) / median(floor)
    const detail = `${ms(median(ours))}, node -e 0 takes ${ms(median(floor))}`
    return [{ name: 'start to listening', value, unit: '×', bar: { atMost: 3 }, detail }]
  },
}
