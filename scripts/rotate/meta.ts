import * as z from 'zod'
import type { SecretName } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { Fail, lastLines } from '../lib/fail.ts'
import { admin, type Host } from './host.ts'

/** Meta's codes for a token that is not, or no longer, valid. */
const INVALID = [0, 190]

const checkedSchema = z.object({
  numbers: z.array(
    z.object({ phone_id: z.string(), ok: z.boolean(), code: z.number().nullable(), detail: z.string() }),
  ),
})
const listedSchema = z.array(z.object({ phone_id: z.string(), state: z.string(), token_ref: z.string() }))

type Checked = z.infer<typeof checkedSchema>['numbers']

/**
 * Asks Meta, from inside the server's network, about every number that uses this access token.
 * @param token asked with instead of the one the server has
 * @throws Fail when the server cannot be asked
 */
export async function askMeta(host: Host, name: SecretName, token?: Secret): Promise<Checked> {
  const args = ['numbers', 'check', '--token-ref', `secrets://${name}`, '--json']
  const result = token
    ? await admin(host, [...args, '--token-stdin'], { input: token.reveal(), mayFail: true })
    : await admin(host, args, { mayFail: true })
  const answer: unknown = result.stdout.startsWith('{') ? JSON.parse(result.stdout) : undefined
  const parsed = checkedSchema.safeParse(answer)
  if (parsed.success) return parsed.data.numbers
  throw new Fail('the server could not ask Meta', {
    next: 'systemctl status whatsapp-mcp',
    output: lastLines(result.stderr),
  })
}

/**
 * What Meta says of a token that should be revoked. `unknown`: no number uses it, so there is nothing to ask about.
 * @throws Fail when Meta gives no clear answer
 */
export async function isRevoked(
  host: Host,
  name: SecretName,
  token: Secret,
): Promise<'revoked' | 'accepted' | 'unknown'> {
  const numbers = await askMeta(host, name, token)
  const unclear = numbers.find(({ ok, code }) => !ok && !INVALID.includes(code ?? -1))
  if (unclear) {
    throw new Fail(`Meta said nothing about the old token: ${unclear.detail}`, {
      next: 'run the same command again when Meta can be reached',
    })
  }
  if (numbers.length === 0) return 'unknown'
  return numbers.some(({ ok }) => ok) ? 'accepted' : 'revoked'
}

/** Meta's ids of the numbers with this token that wait for `numbers resume`. */
export async function pausedNumbers(host: Host, name: SecretName): Promise<string[]> {
  const { stdout } = await admin(host, ['numbers', 'list', '--json'])
  return listedSchema
    .parse(JSON.parse(stdout))
    .filter(({ state, token_ref }) => state === 'paused' && token_ref === `secrets://${name}`)
    .map(({ phone_id }) => phone_id)
}
