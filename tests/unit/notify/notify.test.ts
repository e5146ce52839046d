import { once } from 'node:events'
import { mkdir, readdir, writeFile } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { composeAlert, post } from '../../../scripts/notify/alert.ts'
import { limitOf } from '../../../scripts/notify/limit.ts'
import { knownSecrets, redact } from '../../../scripts/notify/redact.ts'
import { type FailedUnit, parseProperties } from '../../../scripts/notify/unit.ts'
import { Secret } from '../../../secrets/secret.ts'
import { errorOf, scratch } from '../secrets/fixtures.ts'

const FAILED: FailedUnit = {
  unit: 'whatsapp-mcp-backup.service',
  description: 'Backup of whatsapp-mcp: database, then media',
  result: 'exit-code',
  status: 1,
  restarts: 0,
  lines: ['failed  only 3 GB are free', 'password hunter2hunter2 refused for +4915112345678'],
}
const ABOUT = { host: 'wa1', at: new Date('2026-11-21T08:00:00Z'), since: 0, secrets: ['hunter2hunter2'] }

describe('an alert', () => {
  it('says in one line what failed where, and in the others why', () => {
    expect(composeAlert(FAILED, ABOUT)).toEqual({
      ...FAILED,
      text: 'wa1: whatsapp-mcp-backup.service failed (exit-code 1)',
      lines: ['failed  only 3 GB are free', 'password ‹redacted› refused for ‹redacted›'],
      host: 'wa1',
      at: '2026-11-21T08:00:00.000Z',
      since: 0,
      next: 'journalctl -u whatsapp-mcp-backup.service -e',
    })
    expect(composeAlert({ ...FAILED, status: 0 }, ABOUT).text).toMatch(/failed \(exit-code\)$/)
    expect(composeAlert(FAILED, { ...ABOUT, since: 3 }).text).toMatch(/, and 3 more since the last alert$/)
  })

  it('cuts long lines after a secret was blotted out, not through it', () => {
    const line = `${'-'.repeat(290)}hunter2hunter2${'-'.repeat(290)}`
    const { lines } = composeAlert({ ...FAILED, lines: [line], description: 'sh hunter2hunter2' }, ABOUT)
    expect(lines[0]).toHaveLength(300)
    expect(lines[0]).not.toContain('hunter')
    expect(composeAlert({ ...FAILED, description: 'sh hunter2hunter2' }, ABOUT).description).toBe(
      'sh ‹redacted›',
    )
  })

  it('is read from what systemd prints', () => {
    expect(parseProperties('Result=exit-code\nDescription=a=b\n\nNRestarts=0\n')).toEqual({
      Result: 'exit-code',
      Description: 'a=b',
      NRestarts: '0',
    })
  })
})

describe('redact', () => {
  it.each([
    ['AGE-SECRET-KEY-1QQQ', '‹redacted›'],
    ['Authorization: Bearer abc.def', 'Authorization: ‹redacted›'],
    [`token ${'x'.repeat(40)} refused`, 'token ‹redacted› refused'],
    ['from 4915112345678 to +4915112345679', 'from ‹redacted› to ‹redacted›'],
  ])('blots out what looks like a secret or a number: %s', (text, clean) => {
    expect(redact(text, [])).toBe(clean)
  })

  it.each([
    'set 20261121T074605Z of 2026-11-21T07:46:05.123Z',
    'whatsapp-mcp-prove-restore.service: Main process exited, code=exited, status=1/FAILURE',
    '/var/lib/whatsapp-mcp/backups/sets/20261121T074605Z/database.dump has 1234567 bytes',
    'connect ECONNREFUSED 10.231.4.250:9100',
  ])('leaves what a reader needs: %s', (text) => {
    expect(redact(text, [])).toBe(text)
  })

  it('knows every decrypted secret, also inside JSON, and hides the longer of two first', async () => {
    const directory = await scratch()
    await mkdir(join(directory, 'app'))
    await mkdir(join(directory, 'host'))
    await writeFile(join(directory, 'app/a'), 'password')
    await writeFile(join(directory, 'app/b'), 'password-longer')
    await writeFile(join(directory, 'app/short'), 'abc')
    const remote = { type: 'sftp', path: 'backups-of-wa', pass: 'p4ssw0rd', key_pem: 'line-one\nline-two\n' }
    await writeFile(join(directory, 'host/offsite_remote'), JSON.stringify(remote))
    const known = await knownSecrets(directory)
    expect(redact('password-longer password p4ssw0rd line-two', known)).toBe(
      '‹redacted› ‹redacted› ‹redacted› ‹redacted›',
    )
    expect(redact('abc backups-of-wa', known)).toBe('abc backups-of-wa')
    expect(await knownSecrets(join(directory, 'nowhere'))).toEqual([])
  })
})

describe('the limit', () => {
  const at = (minutes: number) => new Date(Date.parse('2026-11-21T08:00:00Z') + minutes * 60_000)

  it('is one alert an hour for each unit, and the others are counted', async () => {
    const directory = join(await scratch(), 'new')
    const look = async (unit: string, minutes: number) => {
      const limit = await limitOf(unit, directory, at(minutes))
      await limit.keep()
      return [limit.due, limit.since]
    }
    expect(await look('a.service', 0)).toEqual([true, 0])
    expect(await look('b.service', 1)).toEqual([true, 0])
    expect(await look('a.service', 2)).toEqual([false, 0])
    expect(await look('a.service', 59)).toEqual([false, 1])
    expect(await look('a.service', 60)).toEqual([true, 2])
    expect(await look('a.service', 61)).toEqual([false, 0])
    expect((await readdir(directory)).sort()).toEqual(['a.service.json', 'b.service.json'])
  })

  it('does not count an alert that could not be sent, and survives damage and a clock set back', async () => {
    const directory = await scratch()
    expect((await limitOf('a.service', directory, at(0))).due).toBe(true)
    expect((await limitOf('a.service', directory, at(1))).due).toBe(true)
    await (await limitOf('a.service', directory, at(2))).keep()
    expect((await limitOf('a.service', directory, at(1))).due).toBe(true)
    await writeFile(join(directory, 'a.service.json'), '{"told":')
    expect((await limitOf('a.service', directory, at(3))).due).toBe(true)
  })
})

describe('posting', () => {
  async function receiver(...statuses: number[]): Promise<{ url: Secret; bodies: string[] }> {
    const bodies: string[] = []
    const server: Server = createServer((request, response) => {
      let body = ''
      request.on('data', (chunk: Buffer) => {
        body += chunk.toString()
      })
      request.on('end', () => {
        bodies.push(`${request.method} ${request.headers['content-type']} ${body}`)
        response.writeHead(statuses[Math.min(bodies.length, statuses.length) - 1] ?? 200).end('thanks')
      })
    }).listen(0, '127.0.0.1')
    onTestFinished(() => void server.close())
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    return { url: new Secret(`http://127.0.0.1:${port}/hunter2hunter2`), bodies }
  }

  it('sends JSON once when it is taken, and again when it is not', async () => {
    const alert = composeAlert(FAILED, ABOUT)
    const good = await receiver(204)
    await post(good.url, alert, 1)
    expect(good.bodies).toEqual([`POST application/json ${JSON.stringify(alert)}`])
    const slow = await receiver(500, 429, 200)
    await post(slow.url, alert, 1)
    expect(slow.bodies).toHaveLength(3)
  })

  it('gives up after three, and does not show the URL', async () => {
    const bad = await receiver(500)
    const { message } = await errorOf(() => post(bad.url, composeAlert(FAILED, ABOUT), 1))
    expect(message).toMatch(/alert_url: it answered 500$/)
    expect(bad.bodies).toHaveLength(3)
    const nowhere = new Secret('http://127.0.0.1:1/hunter2hunter2')
    const refused = await errorOf(() => post(nowhere, composeAlert(FAILED, ABOUT), 1))
    expect(refused.message).toMatch(/alert_url: [A-Z]/)
    expect(refused.message).not.toContain('hunter2')
  })
})
