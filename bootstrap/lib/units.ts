import { readFile } from 'node:fs/promises'
import { Fail, lastLines } from '../../scripts/lib/fail.ts'
import type { Context } from './context.ts'
import { files, fill } from './files.ts'
import type { Resource } from './resource.ts'

/** Installs a unit from `systemd/`; the templates differ per host in the repository's path only. */
export function unitFile(name: string, { root, shell }: Context): Resource {
  return files(
    `unit ${name}`,
    async () => [
      {
        path: `/etc/systemd/system/${name}`,
        text: fill(await readFile(`${root}/systemd/${name}`, 'utf8'), { root }),
        mode: 0o644,
      },
    ],
    async () => {
      await shell()`systemctl daemon-reload`
    },
  )
}

/** Whether a unit starts at boot. */
export async function isEnabled(name: string, shell: Context['shell']): Promise<boolean> {
  return (await shell({ allowFailure: true })`systemctl is-enabled --quiet ${name}`).exitCode === 0
}

/** Whether a unit runs now. */
export async function isActive(name: string, shell: Context['shell']): Promise<boolean> {
  return (await shell({ allowFailure: true })`systemctl is-active --quiet ${name}`).exitCode === 0
}

/** A timer or service of the distribution that must be running and start at boot. */
export function unitEnabled(name: string, { shell }: Context): Resource {
  return {
    title: `unit ${name}`,
    async inspect() {
      if (!(await isEnabled(name, shell))) return 'it does not start at boot'
      return (await isActive(name, shell)) ? undefined : 'it is not active'
    },
    async apply() {
      await shell()`systemctl enable --now ${name}`
    },
  }
}

/**
 * Starts a unit anew and waits until systemd calls it ready.
 * @throws {Fail} with the unit's own last journal lines.
 */
export async function restartUnit(name: string, shell: Context['shell'], seconds: number): Promise<void> {
  await shell({ allowFailure: true })`systemctl reset-failed ${name}`
  const result = await shell({ allowFailure: true, seconds })`systemctl restart ${name}`
  if (result.exitCode === 0) return
  const journal = await shell({ allowFailure: true })`journalctl -u ${name} -n 30 --no-pager -o cat`
  throw new Fail(`${name} did not start`, {
    next: `journalctl -u ${name} -e`,
    output: lastLines(`${result.stderr}\n${journal.stdout}`, 15),
  })
}
