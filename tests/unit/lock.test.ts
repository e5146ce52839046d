import { spawn } from 'node:child_process'
import { randomUUID } from 'node:crypto'
import { once } from 'node:events'
import { describe, expect, it } from 'vitest'
import { Fail } from '../../scripts/lib/fail.ts'
import { takeLock } from '../../scripts/lib/lock.ts'

const module_ = new URL('../../scripts/lib/lock.ts', import.meta.url).href

describe('takeLock', () => {
  it('lets one in, names the holder to the other, and is free again after release', async () => {
    const name = `test-${randomUUID()}`
    const lock = await takeLock(name)
    const refused = await takeLock(name).catch((error: unknown) => error)
    expect(refused).toBeInstanceOf(Fail)
    expect((refused as Fail).message).toContain(`process ${process.pid}`)
    expect((refused as Fail).next).toContain(`kill ${process.pid}`)
    await lock.release()
    await (await takeLock(name)).release()
  })

  it('goes with a holder that was killed', async () => {
    const name = `test-${randomUUID()}`
    const script = `const { takeLock } = await import(${JSON.stringify(module_)}); await takeLock(${JSON.stringify(name)}); console.log('held'); setInterval(() => {}, 1000)`
    const holder = spawn(process.execPath, ['--input-type=module', '-e', script], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    await once(holder.stdout, 'data')
    await expect(takeLock(name)).rejects.toThrow(`process ${holder.pid}`)
    holder.kill('SIGKILL')
    await once(holder, 'exit')
    await (await takeLock(name)).release()
  })
})
