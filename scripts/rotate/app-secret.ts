import { createHmac, randomUUID } from 'node:crypto'
import type { Secret } from '../../secrets/secret.ts'
import { command } from '../lib/cli.ts'
import { ask } from './ask.ts'
import type { Host } from './host.ts'
import { settles, statusOf } from './proof.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, readValues, refuseUnlessSet, replaced } from './values.ts'

const NAME = 'wa_app_secret'
const PREVIOUS = 'wa_app_secret_previous'

export default command({
  usage: 'app-secret [--finish] [--json]',
  summary: 'the app secret with which Meta signs webhooks, after it was reset there',
  details: `  --finish              accept the one before no longer
  --json                print what was done as JSON

Reset it in the app's settings at Meta, then give the new one here: hidden prompt, or standard input.
Without a restart. Both are accepted until --finish; deliveries refused in between are repeated by Meta.`,
  options: { finish: { type: 'boolean' }, json: { type: 'boolean' } },
  async run(o) {
    await rotate({ verb: 'app-secret', json: o.json === true }, o.finish ? finish : plan)
  },
})

/** Takes a new app secret; the one before is accepted too. */
export async function plan(host: Host): Promise<Rotation> {
  return {
    steps: [
      replaced(host, [{ name: NAME, previous: PREVIOUS, make: () => askNew(host) }]),
      decrypted(host),
      proof(host, 200),
    ],
    notes: async () => [
      'Deliveries signed with the old app secret are accepted too. When Meta signs with the new one: ' +
        'npx zx scripts/rotate.ts app-secret --finish',
    ],
  }
}

/** Ends the acceptance of the one before. @throws {Refused} when there is none */
export async function finish(host: Host): Promise<Rotation> {
  await refuseUnlessSet(host, [PREVIOUS], 'nothing: no rotation of the app secret is under way')
  return { steps: [decrypted(host, [PREVIOUS]), proof(host, 404), forgotten(host, [PREVIOUS])] }
}

async function askNew(host: Host): Promise<Secret> {
  return ask(NAME, (await readValues(host)).get(NAME))
}

function proof(host: Host, old: 200 | 404): Proof {
  return {
    title: `webhooks signed with the new secret are taken, with the old ${old === 200 ? 'as well' : 'no longer'}`,
    async prove() {
      const values = await readValues(host)
      for (const [name, wanted] of [[NAME, 200] as const, [PREVIOUS, old] as const]) {
        const secret = values.get(name)
        if (secret === undefined) continue
        const what = `a webhook signed with ${name}`
        await settles({ what, wanted, probe: () => deliver(host, secret), everyReplica: true })
      }
      return `new 200, old ${old}`
    },
  }
}

async function deliver({ ask: request }: Host, secret: Secret): Promise<number | string> {
  const body = JSON.stringify({ object: 'whatsapp_business_account', entry: [], synthetic: randomUUID() })
  const signature = createHmac('sha256', secret.reveal()).update(body).digest('hex')
  const headers = { 'content-type': 'application/json', 'x-hub-signature-256': `sha256=${signature}` }
  return statusOf(request('/webhook/meta', { method: 'POST', headers, body }))
}
