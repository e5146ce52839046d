import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Host } from './host.ts'

const SCRIPT = join(import.meta.dirname, '..', 'probes', 'traces.sh')

/** What of the stack is on a host, one fact a line, sorted. */
export async function takeTraces(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.exec(['sh', '-s'], { input: await readFile(SCRIPT) })
  return [...new Set(stdout.split('\n').filter(Boolean))].sort()
}
