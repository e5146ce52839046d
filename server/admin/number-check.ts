import type { Secret } from '../../secrets/secret.ts'
import { Listener } from '../db/listener.ts'
import { createGraph } from '../meta/client.ts'
import { type Graph, MetaError } from '../meta/graph.ts'
import { Numbers, type PhoneNumber } from '../numbers/numbers.ts'
import { Vault } from '../numbers/vault.ts'
import type { AdminContext } from './command.ts'
import { AdminError, type Report } from './report.ts'
import { secretOnStandardInput } from './standard-input.ts'
import { table } from './table.ts'

const TIMEOUT_MS = 15_000

interface Checked {
  readonly phone_id: string
  readonly label: string
  readonly token_ref: string
  readonly ok: boolean
  /** Meta's code of the refusal; -1 when there was no answer of Meta's. */
  readonly code: number | null
  readonly detail: string
}

/**
 * Asks Meta about numbers, each with its own token or all with one that was given.
 *
 * @param o.token read from standard input when true, so that it is in no command line
 * @throws AdminError (later) when no token was given there, or no number is named like that
 */
export function checkNumbers(o: {
  phoneId: string | undefined
  tokenRef: string | undefined
  token: Secret | boolean
}) {
  return async ({ pool, config }: AdminContext): Promise<Report> => {
    const token = o.token === true ? await secretOnStandardInput('token') : o.token || undefined
    const database = { url: config.databaseUrl, role: 'wa_app', password: config.databasePassword } as const
    const listener = new Listener(database)
    try {
      const vault = new Vault(config.secretsDir, config.secretOverrides)
      const numbers = new Numbers({ sql: pool, listener, vault })
      const chosen = (await numbers.all()).filter(
        ({ waId, tokenRef }) =>
          (o.phoneId === undefined || waId === o.phoneId) &&
          (o.tokenRef === undefined || tokenRef === o.tokenRef),
      )
      if (o.phoneId !== undefined && chosen.length === 0)
        throw new AdminError(`There is no such number with id ${o.phoneId}. See numbers list.`)
      const graph = createGraph({
        baseUrl: config.graphUrl,
        version: config.graphVersion,
        timeoutMs: TIMEOUT_MS,
        tokenOf: (number) => token ?? numbers.tokenOf(number),
      })
      return reportOf(await Promise.all(chosen.map((number) => check(graph, number))))
    } finally {
      await listener.close()
    }
  }
}

async function check(graph: Graph, number: PhoneNumber): Promise<Checked> {
  const common = { phone_id: number.waId, label: number.label, token_ref: number.tokenRef }
  try {
    const { quality_rating: quality, status } = await graph.describeNumber(number)
    const detail = `${String(status ?? 'answered')}, quality ${String(quality ?? 'unknown')}`
    return { ...common, ok: true, code: null, detail }
  } catch (error) {
    if (!(error instanceof MetaError)) throw error
    return { ...common, ok: false, code: error.code, detail: error.message }
  }
}

function reportOf(numbers: readonly Checked[]): Report {
  const failed = numbers.some(({ ok }) => !ok)
  const cells = numbers.map((row) => [
    row.phone_id,
    row.label,
    row.ok ? 'ok' : 'refused',
    row.detail,
    row.token_ref,
  ])
  return {
    data: { numbers },
    text: table(['PHONE ID', 'LABEL', 'META SAYS', 'DETAIL', 'TOKEN'], cells),
    ...(failed && { failed }),
  }
}
