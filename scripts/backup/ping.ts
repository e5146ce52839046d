import tls from 'node:tls'
import type { SecretName } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { tell } from '../lib/cli.ts'
import { messageOf } from '../lib/fail.ts'
import { hostSecret } from '../lib/host-secrets.ts'

const LIMIT_MS = 10_000

/**
 * Tells the monitor that a job ran. It raises the alarm when it hears nothing, which is the only way to notice a timer that
 * never fires. A monitor that cannot be reached is no failure of the job, so this says so and goes on.
 * @param job its name, e.g. `backup-db`; the address is the secret `ping_url_backup_db`, and nothing happens without one
 */
export async function ping(job: string, ok: boolean): Promise<void> {
  try {
    const url = await hostSecret(`ping_url_${job.replaceAll('-', '_')}` satisfies SecretName)
    if (url !== undefined) await call(url, ok)
  } catch (error) {
    tell(`The monitor of ${job} was not told: ${messageOf(error)}`)
  }
}

/**
 * @param url called as it is after a success, with `/fail` after a failure
 * @throws Error that does not repeat the address, since it is the password of the monitor
 */
export async function call(url: Secret, ok: boolean, limitMs = LIMIT_MS): Promise<void> {
  const address = new URL(url.reveal())
  if (!ok) address.pathname = `${address.pathname.replace(/\/$/, '')}/fail`
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
  const response = await fetch(address, { signal: AbortSignal.timeout(limitMs) }).catch((error: unknown) => {
    const cause = error instanceof Error ? (error.cause as NodeJS.ErrnoException | undefined) : undefined
    throw new Error(`${address.host} cannot be reached (${cause?.code ?? 'no answer'})`)
  })
  await response.body?.cancel()
  if (!response.ok) throw new Error(`${address.host} answered ${response.status}`)
}
