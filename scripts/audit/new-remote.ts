import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuditSettings } from '../../secrets/remotes.ts'
import { Fail } from '../lib/fail.ts'
import { openPrivateDirectory } from '../lib/private-directory.ts'
import { runProgram } from './program.ts'

const LIMIT = 30

/**
 * Makes a key for the audit archive, in memory, and learns the far side's host key.
 * @returns the value of `audit_remote`, the public key to allow on the far side, and the fingerprint to compare there
 * @throws Fail when the far side does not answer
 */
export async function newRemote(
  place: Pick<AuditSettings, 'host' | 'port' | 'user'>,
): Promise<{ settings: AuditSettings; publicKey: string; fingerprint: string }> {
  const { host, port } = place
  const scan = await runProgram(
    'ssh-keyscan',
    ['-T', '10', '-t', 'ed25519', '-p', String(port), '--', host],
    {
      seconds: LIMIT,
    },
  )
  const known = scan.stdout.split('\n').filter((line) => line !== '' && !line.startsWith('#'))
  if (known.length === 0) {
    throw new Fail(`no SSH server with an Ed25519 host key answers at ${host}:${port}`, {
      next: `on that machine: systemctl status ssh; from here: ssh-keyscan -p ${port} ${host}`,
    })
  }
  const known_hosts = known.join('\n')
  await using directory = await openPrivateDirectory()
  const file = join(directory.path, 'key')
  await mustRun(['-q', '-t', 'ed25519', '-N', '', '-C', '', '-f', file])
  const fingerprint = await mustRun(['-l', '-f', '-'], known_hosts)
  return {
    settings: { ...place, key: await readFile(file, 'utf8'), known_hosts },
    publicKey: (await readFile(`${file}.pub`, 'utf8')).trim(),
    fingerprint: fingerprint.trim(),
  }
}

async function mustRun(argv: readonly string[], input = ''): Promise<string> {
  const { code, stdout, stderr } = await runProgram('ssh-keygen', argv, { seconds: LIMIT, input })
  if (code !== 0) throw new Error(`ssh-keygen: ${stderr}`)
  return stdout
}
