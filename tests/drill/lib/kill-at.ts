import { readFile } from 'node:fs/promises'
import { join } from 'node:path'

const PROBE = join(import.meta.dirname, '..', 'probes', 'kill-at.sh')

/** Where a process tree is killed: so many seconds after a line of progress, given as extended regular expression. */
export interface KillPoint {
  readonly line: string
  readonly after: number
}

/**
 * @param unit name of the scope the program runs in, another one for every run
 * @returns what to put before a program, so that everything it started is killed there
 */
export async function killAt(unit: string, { line, after }: KillPoint): Promise<string[]> {
  return ['sh', '-c', await readFile(PROBE, 'utf8'), 'sh', unit, line, String(after)]
}

/** Whether it came to that, as the program's standard error tells. */
export const wasKilled = (stderr: string): boolean => stderr.includes('drill: killed')
