import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './host.ts'

const SCRIPT = join(import.meta.dirname, '..', 'probes', 'fingerprint.sh')

/** Everything on a host that two bootstraps from the same repository must make alike, one fact a line, sorted. */
export async function takeFingerprint(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.exec(['sh', '-s'], { input: await readFile(SCRIPT), limit: 180 })
  return stdout.split('\n').filter(Boolean).sort()
}

/** Facts that only one of two fingerprints has, marked `-` (first) or `+` (second). */
export function compareFingerprints(first: readonly string[], second: readonly string[]): readonly string[] {
  const a = new Set(first)
  const b = new Set(second)
  return [
    ...first.filter((line) => !b.has(line)).map((line) => `- ${line}`),
    ...second.filter((line) => !a.has(line)).map((line) => `+ ${line}`),
  ].sort((x, y) => (x.slice(2) < y.slice(2) ? -1 : 1))
}
