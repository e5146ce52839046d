import { describe, expect, it } from 'vitest'
import { packages } from '../../../bootstrap/lib/apt.ts'
import { dockerPackages } from '../../../bootstrap/lib/docker.ts'
import { firewall } from '../../../bootstrap/lib/firewall.ts'
import { recorder, type Script, testContext } from './recorder.ts'

const POLICY = (version: string) => ({ stdout: `x:\n  Installed: (none)\n  Candidate: ${version}\n` })

function record(script: Script) {
  const recorded = recorder(script)
  return { ...recorded, context: testContext(recorded.shell) }
}

/** The transcript without questions. */
const actions = (transcript: string[]) =>
  transcript.filter(
    (line) =>
      !/^(dpkg-query|dpkg --audit|apt-cache|docker compose version|command -v|ufw status|sshd -T)/.test(line),
  )

const nothingElse = { inspect: async () => undefined, names: async () => [] }

describe('packages', () => {
  it('installs only what is missing', async () => {
    const { context, transcript } = record({ 'dpkg-query': { stdout: 'ufw installed\ncurl config-files\n' } })
    const resource = packages('packages', context, ['ufw', 'curl', 'certbot'], nothingElse)
    expect(await resource.inspect()).toBe('not installed: curl, certbot')
    await resource.apply()
    expect(transcript.at(-1)).toMatch(/^apt-get .*--no-install-recommends install curl certbot$/)
  })

  it('first completes what an interrupted run left half configured', async () => {
    const { context, transcript } = record({
      'dpkg --audit': { stdout: 'docker.io is only half configured\n' },
    })
    await packages('packages', context, ['ufw'], nothingElse).apply()
    expect(transcript).toContain('dpkg --configure -a')
  })
})

describe('dockerPackages', () => {
  const none: Script = { 'docker compose version': { exitCode: 127 } }

  it.each<[string, Script, string]>([
    ['Ubuntu', { 'apt-cache policy docker-compose-v2': POLICY('2.40.3') }, 'docker.io docker-compose-v2'],
    [
      'Debian 13',
      {
        'apt-cache policy docker-compose-v2': POLICY('(none)'),
        'apt-cache policy docker-compose': POLICY('2.26.1-4'),
      },
      'docker.io docker-cli docker-compose',
    ],
  ])('takes the distribution’s packages on %s, together with the others', async (_, policies, expected) => {
    const { context, transcript } = record({ ...none, ...policies })
    const resource = packages('packages', context, ['ufw'], dockerPackages(context))
    await resource.apply()
    expect(transcript.at(-1)).toMatch(new RegExp(`install ufw ${expected}$`))
  })

  it('refuses a repository key that is not Docker’s', async () => {
    const { context } = record({
      ...none,
      'apt-cache policy docker-compose-v2': POLICY('(none)'),
      'apt-cache policy docker-compose': POLICY('1.29.2-3'),
      '. /etc/os-release': { stdout: 'debian bookworm' },
      gpg: { stdout: `fpr:::::::::${'0'.repeat(40)}:\n` },
    })
    await expect(dockerPackages(context).names()).rejects.toThrow(/fingerprint 0{40}, not Docker's/)
  })

  it('leaves an engine alone that was installed from anywhere else', async () => {
    const { context } = record({ 'docker compose version': { stdout: '5.5.0\n' } })
    expect(await dockerPackages(context).names()).toEqual([])
    expect(await dockerPackages(context).inspect()).toBeUndefined()
  })
})

describe('firewall', () => {
  const active = `Status: active\nDefault: deny (incoming), allow (outgoing)\n\n22/tcp                     ALLOW IN    Anywhere                  \n80/tcp                     ALLOW IN    Anywhere                  \n443/tcp                    ALLOW IN    Anywhere                  \n`

  it('keeps the port open that sshd listens on', async () => {
    const { context, transcript } = record({
      'sshd -T': { stdout: 'port 2222\n' },
      'ufw status': { stdout: active },
    })
    const resource = firewall(context)
    expect(await resource.inspect()).toBe('closed: 2222/tcp')
    await resource.apply()
    expect(actions(transcript)).toEqual([
      'ufw default deny incoming',
      'ufw default allow outgoing',
      'ufw allow 2222/tcp',
      'ufw allow 80/tcp',
      'ufw allow 443/tcp',
      'ufw --force enable',
    ])
  })

  it.each([
    [{ stdout: 'Status: inactive\n' }, 'ufw is not active'],
    [
      { stdout: active.replace('deny (incoming)', 'allow (incoming)') },
      'incoming connections are not denied by default',
    ],
    [{ exitCode: 127 }, 'ufw is not installed'],
    [{ stdout: active }, undefined],
  ])('sees %j', async (status, expected) => {
    expect(await firewall(record({ 'ufw status': status }).context).inspect()).toBe(expected)
  })
})
