import { stat } from 'node:fs/promises'
import { readText } from '../../secrets/atomic.ts'
import { inspectExploded } from '../../secrets/explode.ts'
import { readSecrets, recipientsOfFile } from '../../secrets/file.ts'
import { type AcceptedIdentity, parseIdentity } from '../../secrets/identity.ts'
import { readRecipients } from '../../secrets/recipients.ts'
import { messageOf } from '../lib/fail.ts'
import { placeIn } from '../lib/place.ts'
import { ROOT } from '../lib/stack.ts'
import { ask } from './ask.ts'
import { type Check, no, yes } from './check.ts'

const KEY = '/etc/whatsapp-mcp/age.key'
const DECRYPTED = '/run/whatsapp-mcp/secrets'
const RUNBOOK = 'docs/operations/secrets.md'

async function hostKey(): Promise<AcceptedIdentity['identity']> {
  const parsed = parseIdentity(await readText(KEY, 'Install it: npx zx bootstrap/10-age-key.ts'))
  if (!parsed.ok) throw new Error(`${KEY} does not hold an age key`)
  return parsed.identity
}

export const secrets: readonly Check[] = [
  {
    id: 'secrets.key-mode',
    statement: 'the age key is readable by root alone',
    async look() {
      const { mode, uid } = await stat(KEY)
      const found = `${(mode & 0o777).toString(8).padStart(4, '0')}, uid ${uid}`
      return (mode & 0o777) === 0o400 && uid === 0
        ? yes(found)
        : no(found, `chown root:root ${KEY} && chmod 0400 ${KEY}`)
    },
  },
  {
    id: 'secrets.recipients',
    statement: 'host and recovery key can both open the secrets file, and nobody who should not',
    async look() {
      const place = placeIn(ROOT)
      const read = await Promise.all([
        readRecipients(place.sopsYaml),
        recipientsOfFile(place.secretsFile),
      ]).catch((error: unknown) => messageOf(error))
      if (typeof read === 'string') return no(read, 'git checkout -- .sops.yaml secrets/secrets.enc.yaml')
      const [roles, inFile] = read
      const missing = roles.filter(({ recipient }) => !inFile.includes(recipient)).map(({ role }) => role)
      const surplus = inFile.filter((recipient) => !roles.some((role) => role.recipient === recipient)).length
      const problems = [
        ...(missing.length > 0 ? [`not encrypted to ${missing.join(', ')}`] : []),
        ...(surplus > 0 ? [`${surplus} recipients nobody knows`] : []),
      ]
      return problems.length === 0
        ? yes(roles.map(({ role }) => role).join(', '))
        : no(problems.join('; '), 'npx zx scripts/secrets.ts recipients apply')
    },
  },
  {
    id: 'secrets.sound',
    statement: 'every secret is there, long enough and no placeholder',
    async look() {
      const values = await readSecrets(placeIn(ROOT).secretsFile, await hostKey()).catch(
        (error: Error) => error,
      )
      return values instanceof Error
        ? no(values.message.split('\n').slice(0, 2).join(' '), 'npx zx scripts/secrets.ts verify')
        : yes(`${values.size} secrets, the MAC is right`)
    },
  },
  {
    id: 'secrets.in-memory',
    statement: 'decrypted secrets are in memory alone, and those of the file',
    async look() {
      const type = await ask('stat', '--file-system', '--format', '%T', DECRYPTED)
      if (type.stdout !== 'tmpfs')
        return no(`${DECRYPTED} is on ${type.stdout || 'nothing'}`, 'npx zx bootstrap/30-secrets.ts')
      const values = await readSecrets(placeIn(ROOT).secretsFile, await hostKey())
      const differences = await inspectExploded(values, DECRYPTED)
      return differences.length === 0
        ? yes('tmpfs, up to date')
        : no(differences.join(', '), 'systemctl restart whatsapp-mcp')
    },
  },
  {
    id: 'secrets.committed',
    statement: 'the secrets file of this host is committed',
    async look() {
      const files = ['.sops.yaml', 'secrets/secrets.enc.yaml']
      const status = await ask('git', '-C', ROOT, 'status', '--porcelain', '--', ...files)
      if (status.code !== 0) return no(status.stderr.split('\n')[0] ?? '', RUNBOOK)
      return status.stdout === ''
        ? yes('no uncommitted change')
        : no(
            'changed on this host only',
            `git -C ${ROOT} commit -m 'Rotate secrets' ${files.join(' ')}, then push`,
          )
    },
  },
  {
    id: 'secrets.swap',
    statement: 'memory cannot be written to a disk in clear',
    async look() {
      const { stdout } = await ask('swapon', '--noheadings', '--raw', '--show=NAME')
      const plain = stdout.split('\n').filter((name) => name !== '' && !/^\/dev\/(zram|dm-)/.test(name))
      return plain.length === 0
        ? yes(stdout === '' ? 'no swap' : stdout.replaceAll('\n', ', '))
        : no(plain.join(', '), `swapoff ${plain[0]} and remove it from /etc/fstab`)
    },
  },
]
