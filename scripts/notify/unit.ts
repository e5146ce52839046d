import { $ } from 'zx'

const LINES = 20
const PROPERTIES = ['Description', 'LoadState', 'Result', 'ExecMainStatus', 'NRestarts']

/** What systemd knows about a unit that failed, and its last words. */
export interface FailedUnit {
  readonly unit: string
  readonly description: string
  /** of systemd: `exit-code`, `timeout`, `oom-kill` … */
  readonly result: string
  /** exit code of its program, or the signal that ended it */
  readonly status: number
  readonly restarts: number
  /** the newest last */
  readonly lines: readonly string[]
}

/** @throws Error when there is no such unit, or systemd does not answer */
export async function inspectUnit(unit: string): Promise<FailedUnit> {
  const run = $({ quiet: true, timeout: '20s' })
  const shown = await run`systemctl show --property=${PROPERTIES.join()} -- ${unit}`
  const properties = parseProperties(shown.stdout)
  if (properties.LoadState === 'not-found') throw new Error(`there is no unit ${unit}`)
  const journal =
    await run`journalctl --quiet --no-pager --boot --output=cat --lines=${LINES} --unit=${unit}`.nothrow()
  return {
    unit,
    description: properties.Description ?? '',
    result: properties.Result ?? 'unknown',
    status: Number(properties.ExecMainStatus ?? 0),
    restarts: Number(properties.NRestarts ?? 0),
    lines: journal.stdout.split('\n').filter((line) => line.trim() !== ''),
  }
}

/** `Name=value` lines, as `systemctl show` prints them. */
export function parseProperties(text: string): Partial<Record<string, string>> {
  return Object.fromEntries(
    text.split('\n').flatMap((line) => {
      const equals = line.indexOf('=')
      return equals < 1 ? [] : [[line.slice(0, equals), line.slice(equals + 1)]]
    }),
  )
}
