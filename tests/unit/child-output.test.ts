import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { text } from 'node:stream/consumers'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { childOutput } from '../../scripts/lib/child-output.ts'

test('what a program printed is there for who reads after it has ended', async () => {
  const child = spawn('echo', ['all of it'], { stdio: ['ignore', 'pipe', 'inherit'] })
  const output = childOutput(child.stdout)
  await once(child, 'exit')
  await sleep(50)
  expect(await text(output)).toBe('all of it\n')
})

test('a program whose output nobody wants any more is told so', async () => {
  const child = spawn('yes', { stdio: ['ignore', 'pipe', 'ignore'] })
  childOutput(child.stdout).destroy()
  const [code] = await once(child, 'close')
  expect(code).not.toBe(0)
})
