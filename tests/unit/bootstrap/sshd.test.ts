import { chmod, mkdir, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { closes, dropIn, unheeded } from '../../../bootstrap/lib/ssh-drop-in.ts'
import { keyHolders, usableLines } from '../../../bootstrap/lib/ssh-keys.ts'
import { parseSettings } from '../../../bootstrap/lib/sshd-settings.ts'
import { lastConfirmed } from '../../../scripts/ssh/pending.ts'
import { parseStat } from '../../../scripts/ssh/session.ts'
import { scratch } from '../secrets/fixtures.ts'
import { recorder } from './recorder.ts'

const KEY = 'ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ0qXzXk anna@desk'
const NOBODY = { root: false, administrator: false }
const BOTH = { root: true, administrator: true }

describe('the drop-in', () => {
  it.each(['keys', 'strict'] as const)('%s refuses no password where nobody has a key', (strictness) => {
    expect(dropIn(strictness, {}, NOBODY)).not.toMatch(/PasswordAuthentication|PermitRootLogin/)
  })

  it('refuses passwords where one of those who may become root has a key', () => {
    for (const who of [
      { root: true, administrator: false },
      { root: false, administrator: true },
    ])
      expect(dropIn('keys', {}, who)).toMatch(/^PasswordAuthentication no\nKbdInteractiveAuthentication no$/m)
  })

  it('keeps root out only when asked to, and only where somebody else gets in', () => {
    expect(dropIn('keys', { permitrootlogin: 'yes' }, BOTH)).toMatch(/^PermitRootLogin prohibit-password$/m)
    expect(dropIn('keys', { permitrootlogin: 'no' }, BOTH)).not.toContain('PermitRootLogin')
    expect(dropIn('strict', {}, BOTH)).toMatch(/^PermitRootLogin no$/m)
    expect(dropIn('strict', {}, { root: true, administrator: false })).not.toContain('PermitRootLogin')
  })

  it('leaves a second factor alone', () => {
    const others = { authenticationmethods: 'publickey,keyboard-interactive' }
    expect(dropIn('keys', others, BOTH)).not.toContain('KbdInteractive')
  })
})

describe('closes', () => {
  it.each([
    [{ passwordauthentication: 'yes' }, { passwordauthentication: 'no' }, true],
    [{ passwordauthentication: 'no' }, { passwordauthentication: 'no' }, false],
    [{ permitrootlogin: 'yes' }, { permitrootlogin: 'without-password' }, true],
    [{ permitrootlogin: 'no' }, { permitrootlogin: 'without-password' }, false],
    [{ x11forwarding: 'yes' }, { x11forwarding: 'no' }, false],
  ])('from %j to %j: %s', (before, after, expected) => {
    expect(closes(before, after)).toBe(expected)
  })
})

describe('a rollback', () => {
  const at = '2027-01-31T12:00:00.000Z'
  it.each([
    ['a first change', undefined, undefined, null],
    ['a first change of ours', undefined, 'ours', 'ours'],
    ['a change upon one that nobody has confirmed', { at, before: 'ours' }, 'new', 'ours'],
    ['a change upon the very first one', { at, before: null }, 'new', null],
  ])('of %s goes back to what was confirmed', (_, pending, current, expected) => {
    expect(lastConfirmed(pending, current)).toBe(expected)
  })
})

describe('unheeded', () => {
  it('names what another file has decided before ours', () => {
    const text = dropIn('keys', { permitrootlogin: 'yes' }, BOTH)
    const found = parseSettings(
      'x11forwarding no\npermitemptypasswords no\nlogingracetime 30\npasswordauthentication no\nkbdinteractiveauthentication no\npermitrootlogin without-password\n',
    )
    expect(unheeded(text, found)).toBeUndefined()
    expect(unheeded(text, { ...found, passwordauthentication: 'yes' })).toBe('PasswordAuthentication is yes')
  })
})

describe('keys', () => {
  it.each([
    [KEY, true],
    [`from="10.0.0.0/8" ${KEY}`, true],
    [`no-pty,command="echo Please log in as admin" ${KEY}`, false],
    [`restrict ${KEY}`, false],
    [`# ${KEY}`, false],
    ['nonsense', false],
  ])('%s opens a shell: %s', (line, expected) => {
    expect(usableLines(line)).toEqual(expected ? [line] : [])
  })

  it('count when sshd would take the file, of root and of the administrators', async () => {
    const home = await scratch()
    const uid = process.getuid?.() ?? 0
    await mkdir(join(home, '.ssh'), { mode: 0o700 })
    await writeFile(join(home, '.ssh/keys'), KEY, { mode: 0o600 })
    const { shell } = recorder({
      'getent passwd': {
        stdout: `root:x:0:0::/nowhere:/bin/sh\nanna:x:${uid || 1000}:1000::${home}:/bin/sh\nbob:x:1001:1001::${home}:/bin/sh\n`,
      },
      'getent group': { stdout: 'sudo:x:27:anna\n', exitCode: 2 },
      'ssh-keygen': { stdout: '256 SHA256:abc anna@desk (ED25519)\n' },
    })
    const places = ['%h/.ssh/keys', '.ssh/missing']
    expect(await keyHolders(shell, places)).toEqual({ root: false, administrator: true })
    await chmod(join(home, '.ssh/keys'), 0o666)
    expect(await keyHolders(shell, places)).toEqual(NOBODY)
  })
})

describe('parseStat', () => {
  it('reads a name with spaces and brackets', () => {
    const zeros = '0 '.repeat(17)
    expect(parseStat(`42 (sshd) x: (a) S 7 ${zeros}12345 0`)).toEqual({
      name: 'sshd) x: (a',
      parent: 7,
      started: 123.45,
    })
  })
})
