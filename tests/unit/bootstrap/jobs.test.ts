import { mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { startFirstBackup, timers } from '../../../bootstrap/lib/jobs.ts'
import { scratch } from '../secrets/fixtures.ts'
import { recorder, testContext } from './recorder.ts'

const ALL = (state: string) => ({ stdout: `${state}\n`.repeat(5) })

describe('the timers', () => {
  it.each([
    ['enabled', 'active', undefined],
    ['disabled', 'active', /not enabled and active: whatsapp-mcp-backup\.timer, .*doctor\.timer$/],
    ['enabled', 'inactive', /not enabled and active/],
  ])('when they are %s and %s', async (enabled, active, expected) => {
    const { shell } = recorder({ 'systemctl is-enabled': ALL(enabled), 'systemctl is-active': ALL(active) })
    const found = await timers(testContext(shell)).inspect()
    if (expected === undefined) expect(found).toBeUndefined()
    else expect(found).toMatch(expected)
  })

  it('names the one that is not, and starts all', async () => {
    const { shell, transcript } = recorder({
      'systemctl is-enabled': ALL('enabled'),
      'systemctl is-active': { stdout: 'active\nactive\nfailed\nactive\nactive\n' },
    })
    const resource = timers(testContext(shell))
    expect(await resource.inspect()).toBe('not enabled and active: whatsapp-mcp-audit.timer')
    await resource.apply()
    expect(transcript.at(-1)).toMatch(
      /^systemctl enable --now whatsapp-mcp-backup\.timer whatsapp-mcp-offsite/,
    )
  })
})

describe('the first backup', () => {
  it('is started once, without waiting', async () => {
    const place = await scratch()
    const { shell, transcript } = recorder()
    const context = testContext(shell, place)
    expect(await startFirstBackup(context)).toBe(true)
    expect(transcript).toEqual(['systemctl start --no-block whatsapp-mcp-backup.service'])
    await mkdir(join(context.paths.state, 'jobs'), { recursive: true })
    await writeFile(join(context.paths.state, 'jobs/backup-db.json'), '{}')
    expect(await startFirstBackup(context)).toBe(false)
    expect(transcript).toHaveLength(1)
  })
})
