import type { KeyHolders } from './ssh-keys.ts'
import type { Settings } from './sshd-settings.ts'

/** How strict sshd is to be; to leave it as it is needs no file. */
export type Strictness = 'keys' | 'strict'

/** Harmless to everybody who logs in today. */
const ALWAYS = ['X11Forwarding no', 'PermitEmptyPasswords no', 'LoginGraceTime 30']
const NO_PASSWORDS = ['PasswordAuthentication no', 'KbdInteractiveAuthentication no']
const STRICT = [
  'PermitRootLogin no',
  'MaxAuthTries 3',
  'AllowAgentForwarding no',
  'AllowTcpForwarding no',
  'PermitTunnel no',
]

/**
 * The text of the drop-in. Passwords are refused only where a key would let somebody in who can become root.
 * @param others settings that hold without it
 */
export function dropIn(strictness: Strictness, others: Settings, who: KeyHolders): string {
  // Who asks for several proofs of a person has thought about it.
  const plain = (others.authenticationmethods ?? 'any') === 'any'
  const key = strictness === 'strict' ? who.administrator : who.root || who.administrator
  const lines = [
    ...ALWAYS,
    ...(key && plain ? NO_PASSWORDS : []),
    // What is stricter already stays.
    ...(strictness === 'keys' && key && others.permitrootlogin === 'yes'
      ? ['PermitRootLogin prohibit-password']
      : []),
    ...(strictness === 'strict' && key ? STRICT : []),
  ]
  return `# Written by the bootstrap (answers: ssh: ${strictness}).\n${lines.join('\n')}\n`
}

const DOORS = ['passwordauthentication', 'kbdinteractiveauthentication', 'permitrootlogin']

/** Whether a way in that was open is no longer. */
export function closes(before: Settings, after: Settings): boolean {
  return DOORS.some((door) => before[door] !== after[door] && before[door] !== 'no')
}

/** The first line of the drop-in that sshd does not follow, with what it does instead. */
export function unheeded(text: string, found: Settings): string | undefined {
  for (const line of text.split('\n').filter((one) => one !== '' && !one.startsWith('#'))) {
    const [name = '', value = ''] = line.split(' ')
    const effective = found[name.toLowerCase()]?.replace('without-password', 'prohibit-password')
    if (effective !== value) return `${name} is ${effective}`
  }
  return undefined
}
