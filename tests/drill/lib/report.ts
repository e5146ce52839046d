import { writeFile } from 'node:fs/promises'
import { cpus, release, totalmem } from 'node:os'
import { join } from 'node:path'
import type { BootstrapReport } from './bootstrap.ts'
import { keepReport } from './history.ts'
import { markdown } from './report-page.ts'
import { fingerprintOf, type SigningKey } from './signature.ts'

export interface Check {
  readonly title: string
  readonly ok: boolean
  /** What was seen; always given for a failure. */
  readonly detail?: string
}

export interface ScenarioResult {
  readonly name: string
  readonly title: string
  readonly seconds: number
  readonly checks: readonly Check[]
  readonly skipped?: string
}

/** A figure and its limit. */
export interface Bar {
  /** The scenario that measured it. */
  readonly scenario: string
  readonly title: string
  readonly unit: string
  readonly limit: number
  readonly value: number
  readonly ok: boolean
}

export interface DrillReport {
  readonly ok: boolean
  readonly started: string
  readonly seconds: number
  readonly commit: string
  /** Uncommitted changes of tracked files took part. */
  readonly modified: boolean
  readonly machine: {
    readonly processors: number
    readonly model: string
    readonly memoryGiB: number
    readonly kernel: string
    readonly engine: string
    readonly cgroup: string
  }
  readonly standIns: readonly { readonly instead: string; readonly from: string }[]
  readonly scenarios: readonly ScenarioResult[]
  readonly bars: readonly Bar[]
  readonly floor: Readonly<Record<string, number>>
  readonly steps: BootstrapReport['steps']
  /** Of the recovery; they overlap. */
  readonly phases: Readonly<Record<string, { from: number; seconds: number }>>
  /** SHA-256 of the file of the report before, in hexadecimal. */
  readonly previous: string | null
  /** Public key that belongs to the signature beside the file. */
  readonly key: string
}

export const STAND_INS = [
  { instead: 'node:24-trixie-slim', from: 'Node of the lockfile and npm on Debian forky' },
  { instead: 'gcr.io/distroless/nodejs24-debian13', from: 'Node of the lockfile on Debian forky' },
  { instead: 'postgres:18-alpine', from: 'postgresql-18 of Debian forky' },
  { instead: 'nginx:1.30-alpine', from: 'nginx and busybox of Debian forky' },
] as const

export const machine = (engine: { version: string; cgroup: string }): DrillReport['machine'] => ({
  processors: cpus().length,
  model: cpus()[0]?.model.trim() ?? 'unknown',
  memoryGiB: Math.round(totalmem() / 2 ** 30),
  kernel: release(),
  engine: engine.version,
  cgroup: `v${engine.cgroup}`,
})

/** Signs and writes report.json, keeps it in the history, and writes report.md; `copy` is for a second report.json. */
export async function writeReport(
  report: DrillReport,
  directory: string,
  o: { key: SigningKey; copy?: string | undefined },
): Promise<void> {
  const text = `${JSON.stringify(report, null, 2)}\n`
  await keepReport(directory, { text, started: report.started, ...o })
  await writeFile(join(directory, 'report.md'), markdown(report, await fingerprintOf(o.key.publicKey)))
}
