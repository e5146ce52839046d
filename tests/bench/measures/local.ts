import { spawn } from 'node:child_process'
import { join } from 'node:path'
import type { Subject } from '../measure.ts'
import { ROOT } from '../stack.ts'

export const local: Subject = {
  name: 'local',
  title: 'the whole local mode, once',
  run: async () => {
    const started = performance.now()
    const child = spawn(join(ROOT, 'bootstrap/run.sh'), ['--local', '--once', '--json'], {
      stdio: ['ignore', 'ignore', 'inherit'],
      timeout: 120_000,
    })
    const code = await new Promise((resolve) => child.once('exit', resolve))
    if (code !== 0) throw new Error(`bootstrap/run.sh --local --once ended with ${code}`)
    const value = (performance.now() - started) / 1_000
    const detail = '--local --once'
    return [{ name: 'local mode, start to smoke test', value, unit: 's', bar: { atMost: 30 }, detail }]
  },
}
