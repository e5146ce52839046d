import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import * as z from 'zod'
import type { Host } from './host.ts'

const SCRIPT = join(import.meta.dirname, '..', 'probes', 'fingerprint.sh')

const part = z.record(z.string(), z.unknown())
const containersSchema = z.array(
  z.object({
    Name: z.string(),
    Config: part,
    HostConfig: part,
    State: z.object({ Status: z.string(), Health: z.object({ Status: z.string() }).optional() }),
  }),
)

const labelsSchema = z.record(z.string(), z.string())

/** Lists that Docker fills from maps, so in any order. */
const UNORDERED = new Set(['Env', 'Mounts', 'Binds', 'SecurityOpt'])
/** A label that Compose fills in the same way, with commas between. */
const DEPENDS_ON = 'com.docker.compose.depends_on'
/** The container's own id. */
const PERSONAL = new Set(['Hostname'])

/** Everything on a host that two bootstraps from the same repository must make alike, one fact a line, sorted. */
export async function takeFingerprint(host: Host): Promise<readonly string[]> {
  const { stdout } = await host.exec(['sh', '-s'], { input: await readFile(SCRIPT), limit: 180 })
  return [...stdout.split('\n').filter(Boolean), ...(await containers(host))].sort()
}

async function containers(host: Host): Promise<readonly string[]> {
  const inspected = await host.sh('docker inspect $(docker ps --all --quiet)')
  return containersSchema.parse(JSON.parse(inspected.stdout)).flatMap((container) => {
    const { Status, Health } = container.State
    const facts = Object.entries({ ...container.Config, ...container.HostConfig })
      .filter(([name]) => !PERSONAL.has(name))
      .map(([name, value]) => `${name} ${canonical(name, value)}`)
    return [`state ${Status} ${Health?.Status}`, ...facts].map(
      (fact) => `container ${container.Name} ${fact}`,
    )
  })
}

/** A field of a container, written so that what means the same reads the same. */
export function canonical(name: string, value: unknown): string {
  if (name === 'Labels') {
    const { [DEPENDS_ON]: services, ...labels } = labelsSchema.parse(value)
    return JSON.stringify([Object.entries(labels).sort(), services?.split(',').sort()])
  }
  if (!UNORDERED.has(name) || !Array.isArray(value)) return JSON.stringify(value)
  return JSON.stringify(value.map((item) => JSON.stringify(item)).sort())
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
