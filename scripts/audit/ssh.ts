import { writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { AuditSettings } from '../../secrets/remotes.ts'
import { openPrivateDirectory } from '../lib/private-directory.ts'
import { runProgram } from './program.ts'
import type { Transport } from './remote.ts'

const LIMIT = 20

/**
 * One connection that all commands share. Key and host keys lie in memory until the result is disposed of. Nothing is
 * sent before the first command.
 */
export async function openSsh(settings: AuditSettings): Promise<Transport> {
  const { path, remove } = await openPrivateDirectory()
  try {
    await writeFile(join(path, 'key'), `${settings.key.trim()}\n`, { mode: 0o600 })
    await writeFile(join(path, 'known_hosts'), `${settings.known_hosts.trim()}\n`, { mode: 0o600 })
  } catch (error) {
    await remove()
    throw error
  }
  const options = optionsFor(settings, path)
  return {
    place: `${settings.host}:${settings.port}`,
    keyFile: join(path, 'key'),
    run: (verb, seconds, input = '') =>
      runProgram('ssh', [...options, '--', settings.host, verb], { seconds, input }),
    [Symbol.asyncDispose]: async () => {
      await runProgram('ssh', [...options, '-O', 'exit', '--', settings.host], { seconds: LIMIT })
      await remove()
    },
  }
}

/** Nothing of the machine's own configuration: what holds here must hold everywhere. */
function optionsFor({ port, user }: AuditSettings, directory: string): string[] {
  const options = [
    `IdentityFile=${join(directory, 'key')}`,
    'IdentitiesOnly=yes',
    'IdentityAgent=none',
    `UserKnownHostsFile=${join(directory, 'known_hosts')}`,
    'GlobalKnownHostsFile=/dev/null',
    'StrictHostKeyChecking=yes',
    'BatchMode=yes',
    'PreferredAuthentications=publickey',
    'ConnectTimeout=15',
    'ServerAliveInterval=10',
    'ServerAliveCountMax=3',
    'ControlMaster=auto',
    `ControlPath=${join(directory, 'socket')}`,
    'ControlPersist=30',
    'LogLevel=ERROR',
  ]
  return [
    ...['-F', '/dev/null', '-T', '-p', String(port), '-l', user],
    ...options.flatMap((option) => ['-o', option]),
  ]
}
