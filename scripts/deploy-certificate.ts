/**
 * Certbot's deploy hook (/etc/letsencrypt/renewal-hooks/deploy/whatsapp-mcp): hands a renewed certificate to nginx and
 * proves that it is the one being served. A hook that fails does not fail `certbot renew`, so this exits non-zero and
 * says why in the journal.
 */
import { basename } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import { $ } from 'zx'
import { deployCertificate, readCertificate, servedCertificate } from './lib/certificate.ts'
import { COMPOSE, TLS_DIRECTORY } from './lib/stack.ts'

const USAGE = `Usage: node scripts/deploy-certificate.ts [DOMAIN]

Copies the certificate certbot holds for DOMAIN (default: the lineage certbot just renewed) to where
nginx reads it, checks the configuration, reloads nginx and compares what it serves afterwards.`

const SERVED_WITHIN_MS = 10_000
const run = $({ quiet: true, timeout: '30s' })

async function deploy(domain: string): Promise<void> {
  await deployCertificate(domain)
  const nginx = await run({ nothrow: true })`docker ${COMPOSE} ps --quiet --status running nginx`
  if (nginx.stdout.trim() === '') return
  const nginxCommand = ['exec', '-T', 'nginx', 'nginx', '-c', '/etc/nginx/whatsapp-mcp/nginx.conf'] as const
  await run`docker ${COMPOSE} ${nginxCommand} -t`
  // Not `docker kill --signal HUP`: Docker would take that for a manual stop and never restart the container.
  await run`docker ${COMPOSE} ${nginxCommand} -s reload`
  const wanted = await readCertificate(`${TLS_DIRECTORY}/fullchain.pem`)
  const until = Date.now() + SERVED_WITHIN_MS
  for (;;) {
    const served = await servedCertificate({ host: '127.0.0.1', port: 443, name: domain })
    if (served.fingerprint256 === wanted?.fingerprint256) return
    if (Date.now() > until)
      throw new Error(`nginx still serves the certificate valid to ${served.validTo} after its reload`)
    await sleep(250)
  }
}

const { values, positionals } = parseArgs({ options: { help: { type: 'boolean' } }, allowPositionals: true })
const domain = positionals[0] ?? (process.env.RENEWED_LINEAGE && basename(process.env.RENEWED_LINEAGE))
if (values.help === true) process.stdout.write(`${USAGE}\n`)
else if (!domain) {
  process.stderr.write(`which domain?\n\n${USAGE}\n`)
  process.exitCode = 2
} else {
  try {
    await deploy(domain)
  } catch (error) {
    process.stderr.write(
      `the new certificate of ${domain} was not deployed: ${error instanceof Error ? error.message : error}\n`,
    )
    process.exitCode = 1
  }
}
