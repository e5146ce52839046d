import { createHmac } from 'node:crypto'
import type { SecretName } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { command } from '../lib/cli.ts'
import { restarted } from './containers.ts'
import type { Host } from './host.ts'
import { settles, statusOf } from './proof.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, readValues, refuseUnlessSet, replaced } from './values.ts'

const EVENT = { name: 'inngest_event_key', previous: 'inngest_event_key_previous' } as const
const SIGNING = { name: 'inngest_signing_key', previous: 'inngest_signing_key_previous' } as const
const FINISH = 'npx zx scripts/rotate.ts inngest-keys --finish'

export default command({
  usage: 'inngest-keys [--finish] [--json]',
  summary: 'the keys between the app and the Inngest server, where that is used',
  details: `  --finish              accept calls signed with the one before no longer
  --json                print what was done as JSON

Restarts the app and the Inngest server of this host. An Inngest server elsewhere must be given the same
keys; until --finish its calls are taken with either.`,
  options: { finish: { type: 'boolean' }, json: { type: 'boolean' } },
  async run(o) {
    await rotate({ verb: 'inngest-keys', json: o.json === true }, o.finish ? finish : plan)
  },
})

/** New keys for app and Inngest; calls signed with the one before are taken too. @throws {Refused} where Inngest is not used */
export async function plan(host: Host): Promise<Rotation> {
  await refuseUnlessSet(
    host,
    [EVENT.name, SIGNING.name],
    'nothing, unless Inngest is to be used: npx zx scripts/secrets.ts set inngest_event_key --generate',
  )
  return {
    steps: [
      replaced(host, [EVENT, SIGNING]),
      decrypted(host),
      restarted(host, ['app', 'inngest']),
      proof(host, SIGNING.name, 200),
      proof(host, SIGNING.previous, 200),
    ],
    notes: async () => [`When the Inngest server signs with the new key (this host's does now): ${FINISH}`],
  }
}

/** Ends the acceptance of the signing key before. @throws {Refused} when there is none */
export async function finish(host: Host): Promise<Rotation> {
  await refuseUnlessSet(host, [SIGNING.previous], 'nothing: no rotation of the Inngest keys is under way')
  return {
    steps: [
      decrypted(host, [SIGNING.previous]),
      restarted(host, ['app']),
      proof(host, SIGNING.name, 200),
      proof(host, SIGNING.previous, 401),
      forgotten(host, [EVENT.previous, SIGNING.previous]),
    ],
  }
}

function proof(host: Host, name: SecretName, wanted: 200 | 401): Proof {
  const which = name === SIGNING.name ? 'new' : 'old'
  return {
    title: `a call signed with the ${which} key is ${wanted === 200 ? 'taken' : 'refused'}`,
    async prove() {
      const key = (await readValues(host)).get(name)
      if (key === undefined) return 'there is none any more'
      let status = await call(host, key)
      await settles({
        what: `a call signed with ${name}`,
        wanted: true,
        probe: async () => {
          status = await call(host, key)
          return status === wanted || status === NOT_USED
        },
      })
      return status === NOT_USED ? 'the app does not use Inngest' : String(status)
    },
  }
}

/** The path is there only where Inngest is used. */
const NOT_USED = 404

/** As the Inngest server signs a call without a body: the time alone, with the text of the key. */
function call({ ask }: Host, key: Secret): Promise<number | string> {
  const at = String(Math.floor(Date.now() / 1000))
  const text = key.reveal().replace(/^signkey-\w+-/, '')
  const signature = createHmac('sha256', text).update(at).digest('hex')
  return statusOf(ask('/api/inngest', { headers: { 'x-inngest-signature': `t=${at}&s=${signature}` } }))
}
