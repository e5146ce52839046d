import { isSecretName } from '../../secrets/check.ts'
import type { SecretName } from '../../secrets/schema.ts'
import type { Secret } from '../../secrets/secret.ts'
import { command, UsageError } from '../lib/cli.ts'
import { Fail, Refused } from '../lib/fail.ts'
import { ask } from './ask.ts'
import type { Host } from './host.ts'
import { askMeta, isRevoked, pausedNumbers } from './meta.ts'
import { type Proof, type Rotation, rotate } from './steps.ts'
import { decrypted, forgotten, readValues, refuseUnlessSet, replaced } from './values.ts'

const DEFAULT = 'wa_default_access_token'

export default command({
  usage: 'meta-token [--secret NAME] [--confirm-revoked] [--json]',
  summary: "an access token of Meta's: the default one, or a number's own",
  details: `  --secret NAME         wa_access_token_<name>, a number's own (default: ${DEFAULT})
  --confirm-revoked     prove that Meta refuses the old one, and forget it
  --json                print what was done as JSON

Make the new token at Meta first, then give it here: hidden prompt, or standard input. It is tried with
every number that uses it before anything is changed. Without a restart. Afterwards revoke the old one at
Meta; until --confirm-revoked proves that, it stays in the secrets file.`,
  options: { secret: { type: 'string' }, 'confirm-revoked': { type: 'boolean' }, json: { type: 'boolean' } },
  async run(o) {
    const name = nameOf(o.secret ?? DEFAULT)
    const confirm = o['confirm-revoked'] === true
    await rotate({ verb: 'meta-token', json: o.json === true }, (host) =>
      confirm ? confirmRevoked(host, name) : plan(host, name),
    )
  },
})

function nameOf(name: string): SecretName {
  const isToken = name === DEFAULT || /^wa_access_token_.+(?<!_previous)$/.test(name)
  if (isToken && isSecretName(name)) return name
  throw new UsageError(`--secret is ${DEFAULT} or wa_access_token_<name>.`)
}

const previousOf = (name: SecretName) => `${name}_previous` as SecretName

/** Takes a new access token, if Meta takes it for every number that uses it. @throws {Refused} if not */
export async function plan(host: Host, name: SecretName = DEFAULT): Promise<Rotation> {
  const make = async () => {
    const fresh = await ask(name, (await readValues(host)).get(name))
    await refuseUnlessTaken(host, name, fresh)
    return fresh
  }
  const confirm = `npx zx scripts/rotate.ts meta-token${name === DEFAULT ? '' : ` --secret ${name}`} --confirm-revoked`
  return {
    steps: [
      replaced(host, [{ name, previous: previousOf(name), make }]),
      decrypted(host),
      newTaken(host, name),
      endIfRevoked(host, name),
    ],
    notes: async () => {
      const paused = await pausedNumbers(host, name)
      const waiting = (await readValues(host)).has(previousOf(name))
      return [
        ...paused.map((id) => `Number ${id} is still paused: wa numbers resume --phone-id ${id}`),
        ...(waiting
          ? [`Revoke the old token at Meta (Business settings > System users), then: ${confirm}`]
          : []),
      ]
    },
  }
}

/** Proves that Meta refuses the old token, and forgets it. @throws {Refused} when there is none */
export async function confirmRevoked(host: Host, name: SecretName = DEFAULT): Promise<Rotation> {
  const previous = previousOf(name)
  await refuseUnlessSet(host, [previous], 'nothing: no old token waits to be revoked')
  return { steps: [oldRefused(host, name), forgotten(host, [previous])] }
}

async function refuseUnlessTaken(host: Host, name: SecretName, token: Secret): Promise<void> {
  const bad = (await askMeta(host, name, token)).filter(({ ok }) => !ok)
  if (bad.length === 0) return
  const reasons = bad.map(({ phone_id, detail }) => `number ${phone_id}: ${detail}`)
  throw new Refused(`Meta does not take the new token: ${reasons.join('; ')}`, {
    next: 'check how it was copied and which accounts it was given, then run the same command again',
  })
}

function newTaken(host: Host, name: SecretName): Proof {
  return {
    title: 'Meta takes the new token from the server',
    async prove() {
      const numbers = await askMeta(host, name)
      const bad = numbers.find(({ ok }) => !ok)
      if (bad === undefined)
        return numbers.length === 0 ? NOT_USED : `for ${numbers.length} of ${numbers.length} numbers`
      throw new Fail(`Meta does not take it for number ${bad.phone_id}: ${bad.detail}`, {
        next: 'wa numbers check; then run the same command again',
      })
    },
  }
}

const NOT_USED = 'no number uses it, so there was nothing to ask'

/** Where the old token is dead already, such as after it expired, no second command is needed. */
function endIfRevoked(host: Host, name: SecretName): Proof {
  return {
    title: 'the old token',
    async prove() {
      const old = (await readValues(host)).get(previousOf(name))
      if (old === undefined) return 'forgotten'
      const verdict = await isRevoked(host, name, old)
      if (verdict === 'unknown') return NOT_USED
      if (verdict === 'accepted') return 'Meta still takes it'
      await forgotten(host, [previousOf(name)]).apply()
      return 'Meta refuses it: forgotten'
    },
  }
}

function oldRefused(host: Host, name: SecretName): Proof {
  return {
    title: 'Meta refuses the old token',
    async prove() {
      const old = (await readValues(host)).get(previousOf(name))
      const verdict = old === undefined ? 'revoked' : await isRevoked(host, name, old)
      if (verdict === 'revoked') return 'for every number'
      if (verdict === 'unknown') {
        throw new Fail('no number uses this token, so Meta cannot be asked about it', {
          next: `make sure that it is revoked, then: npx zx scripts/secrets.ts unset ${previousOf(name)}`,
        })
      }
      throw new Fail('Meta still takes the old token', {
        next: 'revoke it in Business settings > System users, then run the same command again',
      })
    },
  }
}
