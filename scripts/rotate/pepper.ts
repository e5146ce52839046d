import { Secret } from '../../secrets/secret.ts'
import { command, UsageError } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'
import { restarted } from './containers.ts'
import type { Host } from './host.ts'
import { newKeysWork, oldKeysWork, unusedSince } from './keys.ts'
import { type Change, type Rotation, rotate } from './steps.ts'
import { decrypted, editValues, forgotten, readValues, refuseUnlessSet, replaced } from './values.ts'

const NAME = 'api_key_pepper'
const PREVIOUS = 'api_key_pepper_previous'
const EXPIRES = 'api_key_pepper_previous_expires'
/** As long as the server allows. */
const GRACE_MS = 30 * 86_400_000
const MINT_ANEW = 'Mint them anew: wa keys list, then for each: wa keys rotate ID'
const FINISH = 'npx zx scripts/rotate.ts pepper --finish'

export default command({
  usage: 'pepper [--soft | --hard] [--finish] [--json]',
  summary: 'the key under which API keys are hashed',
  details: `  --soft                keys made before work for 30 days more, and are moved over as they are used (default)
  --hard                for a pepper that leaked: every key made before is refused at once
  --finish              end the 30 days now
  --json                print what was done as JSON

Restarts the app, for some seconds. While a soft rotation is under way, --hard and --finish both end it.`,
  options: {
    soft: { type: 'boolean' },
    hard: { type: 'boolean' },
    finish: { type: 'boolean' },
    json: { type: 'boolean' },
  },
  async run(o) {
    if ([o.soft, o.hard, o.finish].filter(Boolean).length > 1)
      throw new UsageError('Give one of --soft, --hard and --finish.')
    await rotate({ verb: 'pepper', json: o.json === true }, o.finish ? finish : o.hard ? hard : soft)
  },
})

/**
 * A new pepper; keys made before work for 30 days, and for good once they were used.
 * @throws {Refused} when the last rotation waits for `--finish`
 */
export async function soft(host: Host): Promise<Rotation> {
  const end = (await readValues(host)).get(EXPIRES)
  if (end !== undefined && hasPassed(end))
    throw new Refused(`the last rotation ended ${end.reveal()}, and is not finished`, { next: FINISH })
  return {
    steps: [
      replaced(host, [{ name: NAME, previous: PREVIOUS }], () => [[EXPIRES, inGrace(GRACE_MS)]]),
      decrypted(host),
      restarted(host, ['app']),
      oldKeysWork(host, true),
      newKeysWork(host),
    ],
    notes: async () => {
      const until = (await readValues(host)).get(EXPIRES)?.reveal()
      const unused = await unusedInGrace(host)
      return [
        `Keys made before work until ${until}, and for good once they were used. ` +
          (unused.length === 0
            ? `All were; end it now with: ${FINISH}`
            : `Not used yet: ${unused.join('; ')}. Let them be used, or mint them anew. Then: ${FINISH}`),
      ]
    },
  }
}

/** A new pepper; every key made before is refused at once. */
export async function hard(host: Host): Promise<Rotation> {
  return {
    steps: [
      replaced(host, [{ name: NAME, previous: PREVIOUS }], () => [[EXPIRES, inGrace(0)]]),
      ...ending(host),
    ],
    notes: async () => [`Every API key made before is refused. ${MINT_ANEW}`],
  }
}

/** Ends the 30 days now. @throws {Refused} when no rotation is under way */
export async function finish(host: Host): Promise<Rotation> {
  await refuseUnlessSet(host, [PREVIOUS], 'nothing: no rotation of the pepper is under way')
  const unused = await unusedInGrace(host)
  return {
    steps: ending(host),
    notes: async () =>
      unused.length === 0
        ? []
        : [`Nobody used these keys in time, so they are refused now: ${unused.join('; ')}. ${MINT_ANEW}`],
  }
}

/** Keys nobody has used since the rotation; once the grace has ended, nobody can tell. */
async function unusedInGrace(host: Host): Promise<string[]> {
  const until = (await readValues(host)).get(EXPIRES)
  if (until === undefined || hasPassed(until)) return []
  return unusedSince(host, new Date(Date.parse(until.reveal()) - GRACE_MS))
}

function ending(host: Host) {
  return [
    graceEnded(host),
    decrypted(host),
    restarted(host, ['app']),
    oldKeysWork(host, false),
    newKeysWork(host),
    forgotten(host, [PREVIOUS, EXPIRES]),
  ]
}

/** Before the previous pepper leaves the file, so that the proof can still make a key with it. */
function graceEnded(host: Host): Change {
  return {
    title: 'the grace of the old pepper ended',
    async inspect() {
      const values = await readValues(host)
      const end = values.get(EXPIRES)
      if (!values.has(PREVIOUS) || (end !== undefined && hasPassed(end))) return undefined
      return `it lasts until ${end?.reveal() ?? 'it is removed'}`
    },
    apply: () => editValues(host, (values) => void values.set(EXPIRES, inGrace(0))),
  }
}

const inGrace = (ms: number) => new Secret(new Date(Date.now() + ms).toISOString())

const hasPassed = (moment: Secret) => Date.parse(moment.reveal()) <= Date.now()
