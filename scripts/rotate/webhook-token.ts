import type { Secret } from '../../secrets/secret.ts'
import { command } from '../lib/cli.ts'
import type { Host } from './host.ts'
import { settles, statusOf } from './proof.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, readValues, replaced } from './values.ts'

const NAME = 'wa_webhook_verify_token'
const PREVIOUS = 'wa_webhook_verify_token_previous'

export default command({
  usage: 'webhook-token [--json]',
  summary: 'the token Meta repeats when the webhook URL is saved',
  details: `  --json                print what was done as JSON

Without a restart. Meta asks for it only when the URL is saved again in the app's settings; there the new
one is then needed: npx zx scripts/secrets.ts edit shows it.`,
  options: { json: { type: 'boolean' } },
  async run(o) {
    await rotate({ verb: 'webhook-token', json: o.json === true }, plan)
  },
})

/** A new token for the moment when the webhook's URL is saved at Meta. */
export async function plan(host: Host): Promise<Rotation> {
  return {
    steps: [
      replaced(host, [{ name: NAME, previous: PREVIOUS }]),
      decrypted(host),
      proof(host),
      forgotten(host, [PREVIOUS]),
    ],
    notes: async () => [
      'Meta asks for the token only when the webhook URL is saved again. Then: npx zx scripts/secrets.ts edit',
    ],
  }
}

function proof(host: Host): Proof {
  return {
    title: 'the server answers the new token and not the old',
    async prove() {
      const values = await readValues(host)
      const answers = (token: Secret | undefined) => token && subscribe(host, token)
      await settles({
        what: 'a subscription with the new token',
        wanted: 200,
        probe: async () => (await answers(values.get(NAME))) ?? 0,
        everyReplica: true,
      })
      await settles({
        what: 'a subscription with the old token',
        wanted: 404,
        probe: async () => (await answers(values.get(PREVIOUS))) ?? 404,
        everyReplica: true,
      })
      return 'new 200, old 404'
    },
  }
}

/** What Meta asks when the URL is saved. The proxy logs no query strings. */
async function subscribe({ ask }: Host, token: Secret): Promise<number | string> {
  const query = new URLSearchParams({
    'hub.mode': 'subscribe',
    'hub.verify_token': token.reveal(),
    'hub.challenge': 'rotation',
  })
  return statusOf(ask(`/webhook/meta?${query}`))
}
