/**
 * Hands certbot's certificate to nginx and proves that it is the one being served. Certbot's deploy hook
 * (/etc/letsencrypt/renewal-hooks/deploy/whatsapp-mcp) runs it after each renewal, and certbot.service after each look
 * for one: a hook that fails does not fail `certbot renew`, and would not be tried again.
 */
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { $, ProcessOutput } from 'zx'
import {
  deployCertificate,
  expiry,
  inspectDeployed,
  isServed,
  lineage,
  readCertificate,
} from './lib/certificate.ts'
import { command, runCommand, UsageError } from './lib/cli.ts'
import { COMPOSE } from './lib/stack.ts'

const SERVED_WITHIN_MS = 10_000
const run = $({ quiet: true, timeout: '30s' })
const NGINX = ['exec', '-T', 'nginx', 'nginx', '-c', '/etc/nginx/whatsapp-mcp/nginx.conf'] as const

async function deploy(domain: string): Promise<void> {
  const nginx = await run({ nothrow: true })`docker ${COMPOSE} ps --quiet --status running nginx`
  const running = nginx.stdout.trim() !== ''
  const differs = (await inspectDeployed(domain)) !== undefined
  if (!differs && (!running || (await isServed(domain)))) return
  const deployed = await deployCertificate(domain)
  if (!running) return
  try {
    await run`docker ${COMPOSE} ${NGINX} -t`
  } catch (error) {
    await deployed.takeBack()
    throw error
  }
  // Not `docker kill --signal HUP`: Docker would take that for a manual stop and never restart the container.
  await run`docker ${COMPOSE} ${NGINX} -s reload`
  const until = Date.now() + SERVED_WITHIN_MS
  while (!(await isServed(domain))) {
    if (Date.now() > until) throw new Error('nginx does not present it within 10 s of its reload')
    await sleep(250)
  }
}

async function checkExpiry(domain: string): Promise<void> {
  const certificate = await readCertificate(`${lineage(domain)}/fullchain.pem`)
  const problem = certificate === undefined ? 'there is none' : expiry(certificate)
  if (problem !== undefined) throw new Error(`${problem}; renewals fail: journalctl -u certbot -e`)
}

/** A failed command's own words, without the stack of the library that ran it. */
function reason(error: unknown): string {
  if (error instanceof ProcessOutput) return (error.stderr.trim() || `exit ${error.exitCode}`).slice(-1000)
  return error instanceof Error ? error.message : String(error)
}

await runCommand(
  'scripts/deploy-certificate.ts',
  command({
    usage: '[--check-expiry] [DOMAIN]',
    summary: `Copies the certificate certbot holds for DOMAIN (default: the lineage certbot just renewed) to where nginx reads it,
checks the configuration, reloads nginx and compares what it serves afterwards. Does nothing when nginx serves it already.
When nginx refuses, the certificate before it stays in place.`,
    details: `  --check-expiry   fail, too, when so little of its time is left that renewals must have failed

Exit codes: 0 served, 1 not, 2 wrong usage.`,
    positionals: ['DOMAIN?'],
    options: { 'check-expiry': { type: 'boolean' } },
    async run(o, given) {
      const domain = given ?? (process.env.RENEWED_LINEAGE && basename(process.env.RENEWED_LINEAGE))
      if (!domain) throw new UsageError('DOMAIN is missing.')
      try {
        await deploy(domain)
        if (o['check-expiry']) await checkExpiry(domain)
      } catch (error) {
        throw new Error(`the certificate of ${domain} is not served as it should be: ${reason(error)}`)
      }
    },
  }),
)
