import * as z from 'zod'
import type { SecretName } from '../../secrets/schema.ts'
import { command, UsageError } from '../lib/cli.ts'
import { Fail, Refused } from '../lib/fail.ts'
import { restarted } from './containers.ts'
import { admin, type Host, psql } from './host.ts'
import { AGAIN, settles, statusOf } from './proof.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, openSecrets, readValues, refuseUnlessSet, replaced } from './values.ts'

const NAME = 'media_signing_secret'
const PREVIOUS = 'media_signing_secret_previous'
/** The longest life of a media link, in minutes. */
const LINKS_LIVE_MIN = 15

const linkSchema = z.object({ path: z.string(), media_id: z.uuid() })

export default command({
  usage: 'media-key [--hard] [--finish [--now]] [--json]',
  summary: 'the key that signs media links',
  details: `  --hard                for a key that leaked: every link made before is refused at once
  --finish              accept links made before no longer; refused while some may still live (${LINKS_LIVE_MIN} min)
  --now                 with --finish: do not wait for them
  --json                print what was done as JSON

Restarts the app, for some seconds.`,
  options: {
    hard: { type: 'boolean' },
    finish: { type: 'boolean' },
    now: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(o) {
    if (o.hard && o.finish) throw new UsageError('Give --hard or --finish, not both.')
    if (o.now && !o.finish) throw new UsageError('--now belongs to --finish.')
    const now = o.now === true
    await rotate({ verb: 'media-key', json: o.json === true }, (host) =>
      o.hard ? hard(host) : o.finish ? finish(host, now) : plan(host),
    )
  },
})

/** A new key for media links; links made before live out their minutes. */
export async function plan(host: Host): Promise<Rotation> {
  return {
    steps: [
      replaced(host, [{ name: NAME, previous: PREVIOUS }]),
      decrypted(host),
      restarted(host, ['app']),
      proof(host, NAME, true),
      proof(host, PREVIOUS, true),
    ],
    notes: async () => [
      `Links made before work for their ${LINKS_LIVE_MIN} minutes. Then: npx zx scripts/rotate.ts media-key --finish`,
    ],
  }
}

/** A new key for media links; links made before end at once. */
export async function hard(host: Host): Promise<Rotation> {
  return { steps: [replaced(host, [{ name: NAME, previous: PREVIOUS }]), ...ending(host)] }
}

/**
 * Ends the acceptance of links made before.
 * @param now although some may still live
 * @throws {Refused} when there are none, or some may still live
 */
export async function finish(host: Host, now: boolean): Promise<Rotation> {
  await refuseUnlessSet(host, [PREVIOUS], 'nothing: no rotation of the media key is under way')
  const { document } = await openSecrets(host)
  // Of the file's last change, whatever that was: later than the rotation at worst.
  const until = new Date(Date.parse(document.lastmodified) + LINKS_LIVE_MIN * 60_000)
  if (!now && until > new Date()) {
    throw new Refused(`links made before may live until ${until.toISOString()}`, {
      next: 'wait until then, or do not care: npx zx scripts/rotate.ts media-key --finish --now',
    })
  }
  return { steps: ending(host) }
}

function ending(host: Host) {
  return [
    decrypted(host, [PREVIOUS]),
    restarted(host, ['app']),
    proof(host, NAME, true),
    proof(host, PREVIOUS, false),
    forgotten(host, [PREVIOUS]),
  ]
}

/**
 * By a signed link that leads to no file: whoever follows it gets 404, but the audit log has an entry only where the server took
 * the signature. So no file is needed, and none is shown.
 */
function proof(host: Host, name: SecretName, wanted: boolean): Proof {
  const which = name === NAME ? 'new' : 'old'
  return {
    title: `a link signed with the ${which} key is ${wanted ? 'taken' : 'refused'}`,
    async prove() {
      const secret = (await readValues(host)).get(name)
      if (secret === undefined) return 'there is none any more'
      const made = await admin(host, ['media', 'probe', '--key-stdin', '--json'], { input: secret.reveal() })
      const { path, media_id } = linkSchema.parse(JSON.parse(made.stdout))
      await settles({ what: 'following it', wanted: 404, probe: () => statusOf(host.ask(path)) })
      const sql = `select count(*) from audit_log where action = 'media.read' and detail->>'media_id' = '${media_id}';`
      const taken = (await psql(host, sql)).stdout.trim() !== '0'
      if (taken !== wanted) throw new Fail(`the server ${taken ? 'took' : 'refused'} it`, { next: AGAIN })
      return wanted ? 'its signature was taken' : 'its signature was refused'
    },
  }
}
