import { describe, expect, it } from 'vitest'
import { packages } from '../../../bootstrap/lib/apt.ts'
import { clockPackages } from '../../../bootstrap/lib/clock.ts'
import { sysctlText } from '../../../bootstrap/lib/kernel.ts'
import { recorder, testContext } from './recorder.ts'

describe('the clock', () => {
  it('is kept by what the provider chose', async () => {
    const { shell } = recorder({ 'dpkg-query': { stdout: 'chrony installed\n' } })
    expect(await clockPackages(testContext(shell)).inspect()).toBeUndefined()
    expect(await clockPackages(testContext(shell)).names()).toEqual([])
  })

  it('is kept by systemd where nobody does, installed together with the rest', async () => {
    const { shell, transcript } = recorder({
      'dpkg-query': { stdout: 'ufw installed\nchrony config-files\n' },
    })
    const context = testContext(shell)
    const resource = packages('packages', context, ['ufw'], clockPackages(context))
    expect(await resource.inspect()).toMatch(/keeps the clock right/)
    await resource.apply()
    expect(transcript.at(-1)).toMatch(/install systemd-timesyncd$/)
  })
})

describe('kernel settings', () => {
  it('may be unknown to a kernel', () => {
    expect(sysctlText({ 'a.b': '1', c: '0' })).toBe('# Written by the bootstrap.\n-a.b = 1\n-c = 0\n')
  })
})
