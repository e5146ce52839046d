import * as z from 'zod'
import { REPOSITORY } from './bootstrap.ts'
import type { Host } from './host.ts'
import { ADMIN } from './network.ts'
import { run } from './run.ts'
import type { Place } from './runbook/shell.ts'
import type { Vault } from './vault.ts'

const HOME = '/var/lib/whatsapp-audit'
export const AUDIT_UNIT = 'whatsapp-mcp-audit.service'
export const SEGMENTS = `${HOME}/segments`

/** What the far side needs of the repository. */
const FILES = ['package.json', 'scripts/verify-audit.ts', 'scripts/audit']

/** Makes the far side keep the audit archive, as its operator would: with the script from a clone. */
export async function setUpArchive(vault: Vault, clone: string): Promise<void> {
  const packed = await run(['sh', '-euc', 'cd "$1"; shift; tar c "$@" | base64', 'sh', clone, ...FILES])
  const unpack = 'mkdir -p "$1"; base64 -d | tar x --no-same-owner -C "$1"'
  await vault.exec(['sh', '-euc', unpack, 'sh', REPOSITORY], { input: packed.stdout })
  const key = vault.keys.users['whatsapp-audit'].publicKey
  await vault.exec([`${REPOSITORY}/scripts/audit/setup-archive.sh`, key])
}

/** The far side as its operator sees it, in the clone. */
export const atArchive = (vault: Vault): Place => ({
  directory: REPOSITORY,
  exec: (argv, options) =>
    vault.exec(['env', 'PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin', ...argv], options),
})

/** What the far side says of its archive when its own operator asks. */
export async function verifyThere(vault: Vault): Promise<{ whole: boolean; said: string }> {
  const program = ['/usr/local/bin/node', `${REPOSITORY}/scripts/verify-audit.ts`]
  const asked = await vault.exec([...program, SEGMENTS, '--signers', `${HOME}/signers`], { mayFail: true })
  return { whole: asked.code === 0, said: asked.stdout + asked.stderr }
}

/** Rights, owners, times and checksums of all it holds, one a line. */
export async function stateThere(vault: Vault): Promise<string> {
  const script = `find ${HOME} -printf '%m %U %G %p\\n' | sort
    find ${HOME} -type f -printf '%T@ %p\\n' | sort
    find ${HOME} -type f -exec sha256sum {} + | sort`
  return (await vault.exec(['sh', '-c', script])).stdout
}

/** Names of the segments it holds, oldest first. */
export async function segmentsThere(vault: Vault): Promise<string[]> {
  const { stdout } = await vault.exec(['find', SEGMENTS, '-name', 'audit-*', '-printf', '%f\\n'])
  const first = (name: string) => Number(name.split('-')[1])
  return stdout
    .split('\n')
    .filter(Boolean)
    .sort((a, b) => first(a) - first(b))
}

const recordSchema = z.object({
  ok: z.boolean(),
  result: z
    .object({
      sent: z.number(),
      archive: z.object({ age_seconds: z.number(), restores: z.number() }).optional(),
    })
    .optional(),
  error: z.object({ message: z.string() }).optional(),
})
export type AuditRecord = z.infer<typeof recordSchema>

export async function closeSegment(host: Host): Promise<void> {
  await host.exec([...ADMIN, 'audit', 'close'])
}

/** Runs the service as its timer does, and reads what it recorded. */
export async function ship(host: Host): Promise<AuditRecord> {
  await host.exec(['systemctl', 'reset-failed', AUDIT_UNIT], { mayFail: true })
  const started = await host.exec(['systemctl', 'start', AUDIT_UNIT], { mayFail: true, limit: 180 })
  const record = recordSchema.parse(JSON.parse(await host.read('/var/lib/whatsapp-mcp/jobs/sync-audit.json')))
  return { ...record, ok: record.ok && started.code === 0 }
}
