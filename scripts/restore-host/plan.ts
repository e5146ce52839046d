import { lookup, resolve4 } from 'node:dns/promises'
import { statfs } from 'node:fs/promises'
import { networkInterfaces } from 'node:os'
import { ageOf } from '../backup/layout.ts'
import { rowsOf } from '../backup/manifest.ts'
import { Refused } from '../lib/fail.ts'
import { duration, megabytes } from '../lib/words.ts'
import type { BrokenSet } from '../offsite/sets.ts'
import type { HostFiles } from './host-files.ts'
import type { OffsiteSet } from './sets.ts'

/** Measured on a small machine (2 cores); stated with the estimate, so that everybody can correct it for theirs. */
export const RATES = {
  /** packages, Docker, images, start and checks */
  install_seconds: 120,
  download_mb_per_second: 20,
  restore_rows_per_second: 20_000,
} as const

/** Packages, images and what grows in the first days. */
const BASE_BYTES = 3e9
/** The opened dump, its copy beside the database, and tables and indexes of some times its size. */
const DUMP_TIMES = 11

/** What a recovery would do. Shown before anything is changed. */
export interface Plan {
  readonly domain: string
  readonly set: string
  readonly created: string
  /** what was lost between the backup and now, at most */
  readonly rpo_seconds: number
  readonly rows: number
  readonly dump_bytes: number
  readonly media_files: number
  readonly media_bytes: number
  readonly certificate_ends: string | null
  readonly disk_bytes: { readonly needed: number; readonly free: number }
  readonly dns: Dns
  readonly estimated_minutes: number
  readonly rates: typeof RATES
  readonly passed_over: readonly BrokenSet[]
  readonly resumes: boolean
}

/** The record to change when all is well. */
export interface Dns {
  readonly name: string
  readonly type: 'A'
  /** what the world is told now; `[]` where there is no record */
  readonly now: readonly string[]
  /** this host */
  readonly change_to: string
  /** the address is of a private network: the record needs the public one that leads to it */
  readonly behind_translation: boolean
}

/**
 * @param o.mediaBytes what is still to be brought
 * @param o.passedOver newer sets that cannot be used
 * @param o.resumes an earlier run on this host did not end
 */
export async function makePlan(o: {
  readonly set: OffsiteSet
  readonly host: HostFiles
  readonly mediaBytes: number
  readonly passedOver: readonly BrokenSet[]
  readonly resumes: boolean
}): Promise<Plan> {
  const { manifest, name, dump } = o.set
  const rows = rowsOf(manifest)
  return {
    domain: o.host.domain,
    set: name,
    created: manifest.created,
    rpo_seconds: ageOf(name),
    rows,
    dump_bytes: dump.bytes,
    media_files: manifest.media.files,
    media_bytes: manifest.media.bytes,
    certificate_ends: o.host.certificateEnds?.toISOString() ?? null,
    disk_bytes: {
      needed: BASE_BYTES + dump.bytes * DUMP_TIMES + manifest.media.bytes,
      free: await freeBytes(),
    },
    dns: await dnsOf(o.host.domain),
    estimated_minutes: estimate({ rows, bytes: dump.bytes + o.mediaBytes }),
    rates: RATES,
    passed_over: o.passedOver,
    resumes: o.resumes,
  }
}

/** @throws Refused when the disk of this host is too small */
export function checkRoom({ disk_bytes: { needed, free }, resumes }: Plan): void {
  // What an earlier run brought is counted in what is not free.
  if (resumes || free >= needed) return
  throw new Refused(
    `the recovery needs ${megabytes(needed)} below /var/lib, and ${megabytes(free)} are free`,
    {
      next: 'take a host with a larger disk, or enlarge this one',
    },
  )
}

async function freeBytes(): Promise<number> {
  const { bavail, bsize } = await statfs('/var/lib')
  return bavail * bsize
}

/** Minutes: the download runs beside the installation, the database is restored after both. */
export function estimate(o: { rows: number; bytes: number }): number {
  const download = o.bytes / (RATES.download_mb_per_second * 1e6)
  const restore = o.rows / RATES.restore_rows_per_second
  return Math.ceil((Math.max(RATES.install_seconds, download) + restore) / 60)
}

/** What the world is told about the name, and what it must be told. */
export async function dnsOf(domain: string): Promise<Dns> {
  const own = ownAddress()
  return {
    name: domain,
    type: 'A',
    now: await resolve4(domain).catch(() => hostsFile(domain)),
    change_to: own,
    behind_translation: isPrivate(own),
  }
}

async function hostsFile(domain: string): Promise<string[]> {
  return lookup(domain, { family: 4, all: true }).then(
    (list) => list.map(({ address }) => address),
    () => [],
  )
}

/** The first address of this host that is not its own loop, nor a bridge of Docker's. */
function ownAddress(): string {
  const addresses = Object.entries(networkInterfaces()).flatMap(([name, list]) =>
    /^(docker|br-|veth)/.test(name) ? [] : (list ?? []).filter((it) => it.family === 'IPv4' && !it.internal),
  )
  return (
    (addresses.find((it) => !isPrivate(it.address)) ?? addresses[0])?.address ?? 'the address of this host'
  )
}

function isPrivate(address: string): boolean {
  return /^(10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|169\.254\.)/.test(
    address,
  )
}

/** The plan for a person. */
export function formatPlan(plan: Plan): string {
  const { rates } = plan
  const lines = [
    `Recovery of ${plan.domain} on this host${plan.resumes ? ', going on where it was' : ''}`,
    '',
    `  backup set   ${plan.set}, ${duration(plan.rpo_seconds)} old: what came since then is lost (RPO)`,
    `  database     ${plan.rows.toLocaleString('en')} rows, ${megabytes(plan.dump_bytes)} to bring`,
    `  media        ${plan.media_files.toLocaleString('en')} files, ${megabytes(plan.media_bytes)}`,
    `  certificate  ${certificateOf(plan)}`,
    `  DNS          ${plan.domain} is ${plan.dns.now.join(', ') || 'not known'} now; you change it at the end`,
    `  time         about ${plan.estimated_minutes} min (${rates.install_seconds} s to install, ${rates.download_mb_per_second} MB/s to bring, ${rates.restore_rows_per_second.toLocaleString('en')} rows/s to restore)`,
    '',
    ...plan.passed_over.map(({ name, problem }) => `  NOT USED     ${name}: ${problem}`),
    '  1. certificates, answers and host key come from the backup',
    '  2. packages, Docker, firewall, secrets and images are installed; database and media come meanwhile',
    '  3. the database is restored and compared with its manifest; messages that waited to be sent are held',
    '  4. media files are compared with what the database says of them',
    '  5. the stack starts and is checked here; nothing leads to it until you change DNS',
  ]
  return lines.join('\n')
}

function certificateOf({ certificate_ends: ends }: Plan): string {
  const order = 'DNS must lead here first, and a new one is ordered'
  if (ends === null) return `none in the backup: ${order}`
  const day = ends.slice(0, 10)
  return Date.parse(ends) > Date.now()
    ? `from the backup, good until ${day}`
    : `the one in the backup expired ${day}: ${order}`
}
