import { expect } from 'vitest'
import { runAdmin } from '../../../server/admin/cli.ts'
import { AdminError, type Report } from '../../../server/admin/report.ts'
import { type Harness, rpc, startHarness } from './harness.ts'

export const PHONE = '104857600000001'

/** A server, and its operator at the command line: an owner, a client named desk, and a number. */
export interface AdminDesk {
  readonly harness: Harness
  /** Runs `wa-mcp admin`. */
  admin(...args: string[]): Promise<Report>
  /** Why a command was refused; fails when it was not. */
  refusal(...args: string[]): Promise<string>
  /** The newest audit entries of commands, newest first. */
  lastEntries(count: number): Promise<Record<string, unknown>[]>
  /** What the server answers to a key. */
  status(token: string): Promise<number>
}

export async function startAdminDesk(): Promise<AdminDesk> {
  const harness = await startHarness()
  const admin = (...args: string[]) =>
    runAdmin(args, () => ({ ...harness.config, logLevel: 'silent' as const }))
  await admin('clients', 'create', '--name', 'owner', '--display-name', 'Owner', '--owner')
  await admin('clients', 'create', '--name', 'desk', '--display-name', 'Support desk')
  await admin('numbers', 'add', '--phone-id', PHONE, '--waba', '100000000000009', '--label', 'Shop')
  return {
    harness,
    admin,
    refusal: async (...args) => {
      const error = await admin(...args).then(
        () => undefined,
        (reason: unknown) => reason,
      )
      expect(error).toBeInstanceOf(AdminError)
      return (error as Error).message
    },
    lastEntries: (count) => harness.db.sql`
      select action, outcome, transport, client_id, phone_number_id, detail from audit_log where transport = 'cli' order by id desc limit ${count}`,
    status: async (token) =>
      (await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/list' })).status,
  }
}

export const tokenOf = ({ aside }: { aside?: string }) => /^wamcp_live_\S{28}$/m.exec(aside ?? '')?.[0] ?? ''
export const idOf = ({ data }: { data: unknown }) => (data as { id: string }).id
