import * as z from 'zod'
import { REPOSITORY } from '../bootstrap.ts'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'
import { ADMIN, DOMAIN } from '../network.ts'

const COMPOSE = ['docker', 'compose', '-f', `${REPOSITORY}/docker-compose.prod.yml`].concat([
  '--env-file',
  '/etc/whatsapp-mcp/stack.env',
])
const seen = z.object({ tools: z.array(z.string()), ping: z.unknown() })
const mcpSchema = z.object({ legacy: seen, modern: seen })
const webhookSchema = z.object({ statuses: z.array(z.number()), forged: z.number(), sha256: z.string() })

/** The two kinds of callers: MCP clients with a key, and Meta with a signature. @returns the key that was minted */
export async function probeClients(drill: Drill, host: Host): Promise<string> {
  const token = await mintKey(host, 'drill')
  const url = `https://${DOMAIN}`
  const probe = (name: string, input: unknown) =>
    drill.world.network.client(
      [
        ...['env', 'NODE_EXTRA_CA_CERTS=/root/acme-root.pem', '/project/node_modules/.bin/node'],
        `/project/tests/drill/probes/${name}.ts`,
      ],
      { input: JSON.stringify(input), limit: 60 },
    )
  const mcp = mcpSchema.parse(JSON.parse((await probe('mcp', { url: `${url}/mcp`, key: token })).stdout))
  for (const era of ['legacy', 'modern'] as const) {
    drill.expect(`an MCP client of the ${era} era lists the tool ping`, mcp[era].tools.includes('ping'))
    const ping = JSON.stringify(mcp[era].ping)
    drill.expect(`and its ping is answered (${era})`, /ok/.test(ping) && /true/.test(ping), ping)
  }
  const secret = drill.world.material.canaries.wa_app_secret
  const sent = await probe('webhook', { url: `${url}/webhook/meta`, secret })
  const webhook = webhookSchema.parse(JSON.parse(sent.stdout))
  const statuses = webhook.statuses.join(' ')
  drill.expect(
    'a signed webhook is accepted however often it comes',
    statuses === '200 200 200 200 200',
    statuses,
  )
  drill.expect('a forged one gets 404', webhook.forged === 404, String(webhook.forged))
  const sql = `select count(*) from webhook_events where sha256 = decode('${webhook.sha256}', 'hex')`
  const psql = ['exec', '-T', 'postgres', 'psql', '-U', 'postgres', '-d', 'wa_mcp', '-At', '-c', sql]
  const rows = await host.exec([...COMPOSE, ...psql])
  drill.expect('and is one row', rows.stdout.trim() === '1', rows.stdout)
  return token
}

/** Makes a client of this name with a key. */
export async function mintKey(host: Host, name: string): Promise<string> {
  const admin = (...argv: string[]) => host.exec([...ADMIN, ...argv])
  await admin('clients', 'create', '--name', name, '--display-name', 'Drill')
  const minted = await admin('keys', 'mint', '--client', name, '--label', 'drill')
  const token = /wamcp_live_[a-z2-7]{28}/.exec(minted.stderr)?.[0]
  if (token === undefined) throw new Error('keys mint printed no key')
  return token
}
