/** `npm run smoke`: asks a running installation everything it must be able to do. Also step 50 of the bootstrap. */
import { readFile } from 'node:fs/promises'
import tls from 'node:tls'
import { parseArgs } from 'node:util'
import { $ } from 'zx'
import { Secret } from '../secrets/secret.ts'
import { isMain, scriptArguments } from './lib/entry.ts'
import { type Check, type SmokeTarget, smoke } from './lib/smoke.ts'
import { ADMIN, COMPOSE, domainOfThisHost } from './lib/stack.ts'

const USAGE = `Usage: npx zx scripts/smoke.ts [options]        on the host, as root

Asks the running stack for its health, certificate, headers, a signed webhook (stored once, a forged one
refused) and, with a real MCP client and a key that lives for minutes, its tools.

  --url URL        default: https:// and the domain of this host
  --address IP     connect there instead of where DNS points (default: 127.0.0.1)
  --stand-in URL   also hold a conversation with the customer of a WhatsApp stand-in (rehearsals)
  --number ID      Meta's id of the number that the stand-in serves
  --dns            connect to where DNS points, as the world does
  --json           print the checks as JSON
  --help           this text

Exit codes: 0 all checks hold, 1 one does not, 2 wrong usage.`

/** The checks against the stack of this host. */
export async function smokeHost(o: {
  url?: string | undefined
  address?: string | undefined
  standIn?: SmokeTarget['standIn'] | undefined
  certificateMayBeDue?: boolean
}): Promise<Check[]> {
  const run = $({ quiet: true, nothrow: true, timeout: '30s', input: '' })
  return smoke({
    url: o.url ?? `https://${await domainOfThisHost()}`,
    ...(o.address === undefined ? {} : { address: o.address }),
    ...(o.standIn && { standIn: o.standIn }),
    ...(o.certificateMayBeDue && { certificateMayBeDue: true }),
    appSecret: new Secret((await readFile('/run/whatsapp-mcp/secrets/app/wa_app_secret', 'utf8')).trimEnd()),
    admin: (args) => run`docker ${COMPOSE} ${ADMIN} ${args}`,
  })
}

/** One line per check, for a person. */
export function formatChecks(checks: readonly Check[]): string {
  return checks
    .map(
      ({ ok, title, detail, seconds }) =>
        `    ${ok ? '✓' : '✗'} ${title}: ${detail} (${seconds.toFixed(1)} s)`,
    )
    .join('\n')
}

async function command(): Promise<number> {
  let values: ReturnType<typeof parse>
  try {
    values = parse()
  } catch (error) {
    process.stderr.write(`${(error as Error).message}\n\n${USAGE}\n`)
    return 2
  }
  if (values.help === true) {
    process.stdout.write(`${USAGE}\n`)
    return 0
  }
  tls.setDefaultCACertificates([...tls.getCACertificates('default'), ...tls.getCACertificates('system')])
  const checks = await smokeHost({
    url: values.url,
    address: values.dns === true ? undefined : (values.address ?? '127.0.0.1'),
    standIn:
      values['stand-in'] && values.number
        ? { phone: values['stand-in'], numberId: values.number }
        : undefined,
  })
  if (values.json === true)
    process.stdout.write(`${JSON.stringify({ ok: checks.every(({ ok }) => ok), checks }, null, 2)}\n`)
  else process.stdout.write(`${formatChecks(checks)}\n`)
  return checks.every(({ ok }) => ok) ? 0 : 1
}

function parse() {
  const { values } = parseArgs({
    options: {
      url: { type: 'string' },
      address: { type: 'string' },
      'stand-in': { type: 'string' },
      number: { type: 'string' },
      dns: { type: 'boolean' },
      json: { type: 'boolean' },
      help: { type: 'boolean' },
    },
    args: scriptArguments(),
  })
  if ((values['stand-in'] === undefined) !== (values.number === undefined))
    throw new Error('--stand-in and --number belong together.')
  return values
}

if (isMain(import.meta.url)) process.exitCode = await command()
