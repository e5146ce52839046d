import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { expect, test } from 'vitest'
import { end } from '../../../bootstrap/lib/local.ts'

async function start(program: string) {
  const child = spawn(process.execPath, ['-e', `${program}; setInterval(() => {}, 1000); console.log('up')`])
  await once(child.stdout, 'data')
  return child
}

test('a child may end in good order', async () => {
  const child = await start("process.on('SIGTERM', () => process.exit(3))")
  await end(child)
  expect(child.exitCode).toBe(3)
})

test('one that does not listen is ended', async () => {
  const child = await start("process.on('SIGTERM', () => {})")
  await end(child, 100)
  expect(child.signalCode).toBe('SIGKILL')
})
