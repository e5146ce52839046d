import { readFile, writeFile } from 'node:fs/promises'
import { dirname, join } from 'node:path'
import { REPOSITORY } from './bootstrap.ts'
import type { Drill } from './drill.ts'
import type { Host } from './host.ts'
import { type RunOptions, run } from './run.ts'
import type { Place } from './runbook/shell.ts'

/** What the host pulls from: a bundle stands for the server that keeps the repository. */
const ORIGIN = '/run/origin.bundle'

/** The operator's own computer: a clone that pushes to where the host pulls from. */
export interface OwnMachine extends Place {
  /** The same without a key of its own: commands ask for one. */
  readonly withoutKey: Place
  /** Commits and pushes what was rotated on the host, which then pulls it. */
  takeOver(): Promise<void>
}

/**
 * Makes one, with the same commit as the host, whose secrets may have been rotated since it was set up.
 * Its key is the recovery key, as an operator's would be in `$SOPS_AGE_KEY_FILE`.
 */
export async function ownMachine(drill: Drill, host: Host): Promise<OwnMachine> {
  const { clone, recoveryKey } = drill.world.material
  const origin = join(dirname(clone), 'origin.git')
  const keyFile = join(dirname(clone), 'operator.key')
  const git = (...argv: readonly string[]) => run(['git', '-C', clone, ...argv])

  await writeFile(keyFile, `${recoveryKey}\n`, { mode: 0o600 })
  await git('config', 'user.name', 'Drill')
  await git('config', 'user.email', 'drill@wa.drill.test')
  await git('checkout', '--quiet', '-B', 'main')
  await run(['git', 'clone', '--quiet', '--bare', clone, origin])
  await git('remote', 'set-url', 'origin', origin)
  await git('push', '--quiet', '--set-upstream', 'origin', 'main')

  const publish = async (): Promise<void> => {
    const bundle = join(dirname(clone), 'origin.bundle')
    await run(['git', '-C', origin, 'bundle', 'create', '--quiet', bundle, 'main'])
    await host.write(ORIGIN, await readFile(bundle))
  }
  const there = (...argv: readonly string[]) => host.exec(['git', '-C', REPOSITORY, ...argv])
  const takeOver = async (): Promise<void> => {
    for (const path of ['.sops.yaml', 'secrets/secrets.enc.yaml'])
      await writeFile(join(clone, path), await host.read(join(REPOSITORY, path)))
    await git('commit', '--quiet', '--all', '--allow-empty', '--message', 'Secrets as they are on the host')
    await git('push', '--quiet')
    await publish()
    await there('fetch', '--quiet', 'origin', '+main:refs/remotes/origin/main')
    await there('checkout', '--quiet', '--force', '-B', 'main', '--track', 'origin/main')
  }
  await there('remote', 'set-url', 'origin', ORIGIN)
  await takeOver()

  const exec = async (
    argv: readonly string[],
    options: RunOptions,
    env: Readonly<Record<string, string>>,
  ) => {
    const path = `${join(clone, 'node_modules', '.bin')}:${process.env.PATH}`
    // What npm says of the settings of the machine that runs the drill is no part of a page.
    const quiet = { npm_config_loglevel: 'error' }
    const result = await run(argv, { ...options, env: { PATH: path, ...quiet, ...env } })
    await publish()
    return result
  }
  return {
    takeOver,
    directory: clone,
    exec: (argv, options = {}) => exec(argv, options, { SOPS_AGE_KEY_FILE: keyFile }),
    withoutKey: { directory: clone, exec: (argv, options = {}) => exec(argv, options, {}) },
  }
}
