import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { afterEach, describe, expect, it } from 'vitest'
import { preflight } from '../../../bootstrap/lib/preflight.ts'
import { ANSWERS, recorder, testContext } from './recorder.ts'

let server: Server | undefined
afterEach(() => server?.close())

/** A certificate authority whose clock is ahead of ours by so many seconds. */
async function authority(ahead: number): Promise<string> {
  server = createServer((_, response) => {
    response.setHeader('date', new Date(Date.now() + ahead * 1000).toUTCString()).end()
  }).listen(0, '127.0.0.1')
  await once(server, 'listening')
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}/directory`
}

async function problems(o: { acme_server: string; domain?: string }): Promise<string[]> {
  const context = {
    ...testContext(recorder().shell, '/nowhere'),
    root: process.cwd(),
    answers: { ...ANSWERS, domain: 'wa.invalid', ...o },
  }
  return (await preflight(context)).map(({ problem }) => problem)
}

describe('preflight', () => {
  it('notices a clock that is off, and only then', async () => {
    expect(await problems({ acme_server: await authority(600) })).toContainEqual(
      expect.stringMatching(/^the clock is off by (599|600|601) s$/),
    )
    server?.close()
    expect((await problems({ acme_server: await authority(60) })).join()).not.toContain('clock')
  })

  it('says why the certificate authority cannot be reached', async () => {
    const url = await authority(0)
    server?.close()
    await once(server as Server, 'close')
    expect(await problems({ acme_server: url })).toContainEqual(
      expect.stringMatching(
        /^the certificate authority at 127\.0\.0\.1:\d+ cannot be reached \(.*ECONNREFUSED/,
      ),
    )
  })

  it('asks systemd whether it understands the calendar', async () => {
    const preflightWith = (backup_calendar: string, exitCode: number) => {
      const { shell, transcript } = recorder({ 'systemd-analyze': { exitCode } })
      const answers = { ...ANSWERS, acme_server: 'http://127.0.0.1:1', domain: 'wa.invalid', backup_calendar }
      const context = { ...testContext(shell, '/nowhere'), root: process.cwd(), answers }
      return preflight(context).then((found) => ({ found: found.map((f) => f.problem), transcript }))
    }
    const wrong = await preflightWith('whenever', 1)
    expect(wrong.found).toContain('backup_calendar: systemd does not understand "whenever"')
    expect(wrong.transcript).toContain('systemd-analyze calendar whenever')
    expect((await preflightWith('hourly', 0)).found.join()).not.toContain('calendar')
  })

  it('lists everything at once: the name without a record, and the missing secrets file', async () => {
    const found = (await problems({ acme_server: await authority(0) })).join('\n')
    expect(found).toContain('wa.invalid has no A record')
    expect(found).toMatch(/\/nowhere\/\S+ is missing/)
  })
})
