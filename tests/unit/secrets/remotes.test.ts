import { describe, expect, it } from 'vitest'
import { problemOfValue } from '../../../secrets/check.ts'
import { auditSettings, offsiteSettings } from '../../../secrets/remotes.ts'
import { Secret } from '../../../secrets/secret.ts'

const KNOWN_HOSTS = 'vault ssh-ed25519 AAAA'
const KEY = '-----BEGIN OPENSSH PRIVATE KEY-----\nabc\n-----END OPENSSH PRIVATE KEY-----\n'
const AUDIT = { host: 'vault.example.org', user: 'audit', key: KEY, known_hosts: KNOWN_HOSTS }

const offsite = (settings: unknown) =>
  problemOfValue(
    'offsite_remote',
    new Secret(typeof settings === 'string' ? settings : JSON.stringify(settings)),
  )
const audit = (settings: unknown) => problemOfValue('audit_remote', new Secret(JSON.stringify(settings)))

describe('offsite_remote', () => {
  it.each([
    [{ type: 's3', path: 'bucket/prefix', provider: 'AWS', access_key_id: 'AKIA', region: 'eu-central-1' }],
    [{ type: 'b2', path: 'bucket', account: 'a', key: 'k' }],
    [{ type: 'sftp', path: '/', host: 'vault', user: 'backup', key_pem: KEY, known_hosts: KNOWN_HOSTS }],
  ])('takes %j, and gives back what was set', (settings) => {
    expect(offsite(settings)).toBeUndefined()
    expect(offsiteSettings(new Secret(JSON.stringify(settings)))).toEqual(settings)
  })

  it.each([
    ['no JSON', 'no-json-hunter2', /must be JSON in one line/],
    ['another kind of JSON', ['hunter2'], /the whole: /],
    ['no type and no path', {}, /type: .*; path: /],
    ['a type with a flag', { type: 's3 --hunter2', path: 'b' }, /type: a type of rclone/],
    ['a path of two lines', { type: 's3', path: 'b\nhunter2 = x' }, /path: text of one line/],
    [
      'an option of two lines',
      { type: 's3', path: 'b', endpoint: 'x\nhunter2 = y' },
      /endpoint: text of one line/,
    ],
    ['an option that is a number', { type: 's3', path: 'b', chunk_size: 5 }, /chunk_size: text in quotes/],
    ['an option that is a section', { type: 's3', path: 'b', '[x]': 'hunter2' }, /no option of rclone/],
    ['sftp to any machine', { type: 'sftp', path: '/', key_pem: KEY }, /known_hosts: /],
    [
      'a key that is none',
      { type: 'sftp', path: '/', known_hosts: KNOWN_HOSTS, key_pem: 'hunter2' },
      /key_pem: /,
    ],
  ])('refuses %s, without showing it', (_, settings, message) => {
    expect(offsite(settings)).toMatch(message)
    expect(offsite(settings)).not.toContain('hunter2')
    const act = () => offsiteSettings(new Secret(JSON.stringify(settings)))
    if (typeof settings !== 'string') expect(act).toThrow(/^offsite_remote must be JSON.*secrets\.ts set/)
  })
})

describe('audit_remote', () => {
  it('has port 22 unless it says otherwise', () => {
    expect(audit(AUDIT)).toBeUndefined()
    expect(auditSettings(new Secret(JSON.stringify(AUDIT)))).toEqual({ ...AUDIT, port: 22 })
    expect(auditSettings(new Secret(JSON.stringify({ ...AUDIT, port: 2222 }))).port).toBe(2222)
  })

  it.each([
    [{ host: '-oProxyCommand=hunter2' }, /host: /],
    [{ user: '-l' }, /user: /],
    [{ port: '22' }, /port: /],
    [{ port: 0 }, /port: /],
    [{ key: 'ssh-ed25519 hunter2' }, /key: /],
    [{ known_hosts: '' }, /known_hosts: /],
    [{ command: 'sh' }, /command/],
  ])('refuses %j', (change, message) => {
    expect(audit({ ...AUDIT, ...change })).toMatch(message)
    expect(audit({ ...AUDIT, ...change })).not.toContain('hunter2')
  })
})

describe('URLs', () => {
  it.each(['alert_url', 'ping_url_backup_db'] as const)('%s is one', (name) => {
    expect(problemOfValue(name, new Secret('https://example.org/x'))).toBeUndefined()
    for (const wrong of ['example.org/hunter2', 'file:///hunter2', 'https://[hunter2'])
      expect(problemOfValue(name, new Secret(wrong))).toMatch(/^must be a URL that begins with https/)
  })
})
