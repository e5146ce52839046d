import { randomBytes } from 'node:crypto'
import { readFile, symlink } from 'node:fs/promises'
import { join } from 'node:path'
import { identityToRecipient } from 'age-encryption'
import { run } from './run.ts'

/** What an operator brings to a bare host, and what the drill knows about it. */
export interface Material {
  /** The repository with this host's own `.sops.yaml` and secrets file committed, as `git bundle`. */
  readonly bundle: Buffer
  /** The clone that the bundle was made from. */
  readonly clone: string
  readonly hostKey: string
  readonly recoveryKey: string
  /** A well-formed key that nothing is encrypted to. */
  readonly foreignKey: string
  /** Values of the secrets only a person knows. */
  readonly canaries: Readonly<Record<string, string>>
  /** Commit the host gets, and whether changes on top of it were included. */
  readonly commit: string
  readonly modified: boolean
}

/** A value that is nowhere by chance. */
const canary = (what: string): string => `canary-${what}-${randomBytes(16).toString('hex')}`

async function newKey(node: string, clone: string, file: string): Promise<string> {
  await run([node, join(clone, 'scripts/age-key.ts'), 'new', '--out', file])
  const identity = /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(await readFile(file, 'utf8'))?.[0]
  if (identity === undefined) throw new Error('age-key.ts new wrote no key')
  return identity
}

/**
 * Makes the keys and the secrets file with the project's own tools, in a clone.
 * @param project the repository
 * @param directory private and new; everything is left in it
 * @param further secrets of the machines around the host, by name
 */
export async function prepareMaterial(
  project: string,
  directory: string,
  further: Readonly<Record<string, string>>,
): Promise<Material> {
  const clone = join(directory, 'clone')
  const git = (...argv: string[]) => run(['git', '-C', clone, ...argv])
  const identity = ['-c', 'user.name=Drill', '-c', 'user.email=drill@wa.drill.test']
  await run(['git', 'clone', '--quiet', project, clone])
  const changes = await run(['git', '-C', project, 'diff', '--binary', 'HEAD'])
  if (changes.stdout) await run(['git', '-C', clone, 'apply', '-'], { input: changes.stdout })
  await symlink(join(project, 'node_modules'), join(clone, 'node_modules'))

  const node = join(project, 'node_modules', '.bin', 'node')
  const key = (name: string) => newKey(node, clone, join(directory, `${name}.key`))
  const [hostKey, recoveryKey, foreignKey] = await Promise.all([key('host'), key('recovery'), key('foreign')])
  const canaries = {
    wa_app_secret: canary('app-secret'),
    wa_default_access_token: canary('access-token'),
  }
  const [host, recovery] = await Promise.all([hostKey, recoveryKey].map(identityToRecipient))
  if (!host || !recovery) throw new Error('a key has no recipient')
  const init = ['init', '--host', host, '--recovery', recovery, '--stdin', '--root', clone]
  const input = Object.entries({ ...canaries, ...further })
    .map(([name, value]) => `${name}=${value}\n`)
    .join('')
  await run([node, join(clone, 'scripts/secrets.ts'), ...init], { input })
  await git('add', '--update')
  await git('add', '--force', '.sops.yaml', 'secrets/secrets.enc.yaml')
  await git(...identity, 'commit', '--quiet', '-m', 'Add the secrets of this host')
  const bundle = join(directory, 'repository.bundle')
  await git('bundle', 'create', '--quiet', bundle, 'HEAD')
  return {
    bundle: await readFile(bundle),
    clone,
    hostKey,
    recoveryKey,
    foreignKey,
    canaries,
    commit: (await run(['git', '-C', project, 'rev-parse', '--short', 'HEAD'])).stdout.trim(),
    modified: changes.stdout !== '',
  }
}
