import { randomBytes } from 'node:crypto'
import { readFile, rm } from 'node:fs/promises'
import { bootstrap, mustSucceed } from '../lib/bootstrap.ts'
import { DOMAIN } from '../lib/network.ts'
import { CUSTOMER, type Situation } from '../lib/runbook/stage.ts'

const HOST_KEY = '/etc/whatsapp-mcp/age.key'
/** Where the page has the operator put new keys. */
const MADE = ['/dev/shm/host.key', '/dev/shm/recovery.key']

/** The file of the host key is gone; then its paper, too; then the recovery paper. */
export const lostKey: Situation = async (stage) => {
  const { host, own, drill } = stage
  const { recoveryKey } = drill.world.material
  await Promise.all(MADE.map((path) => rm(path, { force: true })))
  try {
    const hostKey = await host.read(HOST_KEY)
    await host.exec(['rm', HOST_KEY])
    await stage.read(
      'incidents/lost-key.md',
      { typed: { 'host-key': () => hostKey.trim() } },
      { file: undefined },
    )
    const typed = {
      'recovery-key': () => recoveryKey,
      'new-host-key': async () => keyIn(await readFile('/dev/shm/host.key', 'utf8')),
    }
    await stage.read('incidents/lost-key.md', { typed, own: own.withoutKey }, { host: undefined })
  } finally {
    await Promise.all(MADE.map((path) => rm(path, { force: true })))
  }
}

const keyIn = (text: string): string => /AGE-SECRET-KEY-1[A-Z0-9]+/.exec(text)?.[0] ?? ''

/** The pepper was seen: first harmless, then not. */
export const pepper: Situation = async (stage) => {
  await stage.read('incidents/pepper.md', {}, { soft: undefined, finish: undefined })
  await stage.read('incidents/pepper.md', {}, { hard: undefined })
  await stage.own.takeOver()
}

/** A secret is to be replaced though nothing is wrong. */
export const rotation: Situation = async (stage) => {
  await stage.read(
    'rotation.md',
    { given: { verb: 'media-key' } },
    { generated: undefined, finish: undefined },
  )
  await stage.own.takeOver()
}

/** Meta has revoked the token, and said so to somebody who wanted to send; then somebody has seen the new one. */
export const token: Situation = async (stage) => {
  const [second, third] = [newToken(), newToken()]
  const given = { 'phone-id': stage.numberId }
  await stage.admin('clients', 'create', '--name', 'token-desk', '--display-name', 'Desk')
  await stage.admin(
    'grants',
    'add',
    '--client',
    'token-desk',
    '--phone',
    stage.numberId,
    '--verbs',
    'read,send',
  )
  const key = await stage.mint('token-desk', 'tools:send_message')
  await stage.customerWrites('Are you still there?')
  await stage.atMeta({ tokens: [second] })
  await stage.call(key, 'send_message', { phone_number_id: stage.numberId, to: CUSTOMER, body: 'Yes.' })
  const paused = await stage.admin('numbers', 'list')
  stage.drill.expect('a number whose token Meta refuses is paused', /paused/.test(paused), paused)
  await stage.read('incidents/token.md', { given, typed: { token: () => second } })
  await stage.own.takeOver()

  await stage.atMeta({ tokens: [second, third] })
  const revoke = () => stage.atMeta({ tokens: [third] })
  await stage.read('incidents/token.md', { given, typed: { token: () => third } }, { revoke })
  await stage.own.takeOver()
}

/** A value that looks like one of Meta's tokens. */
const newToken = (): string => `canary-access-token-${randomBytes(16).toString('hex')}`

/** Somebody was root. What is done to the host comes last, since it ends what the host does. */
export const compromisedHost: Situation = async (stage) => {
  const { host, drill } = stage
  const typed = { token: newToken, 'app-secret': newToken }
  await stage.read('incidents/compromised-host.md', { typed }, { values: undefined, rest: undefined })
  await stage.read('incidents/compromised-host.md', {}, { stop: undefined })
  const { world } = drill
  const outside = await world.network.client(['curl', '-sk', '--max-time', '3', `https://${DOMAIN}/health`], {
    mayFail: true,
  })
  drill.expect('then nobody is answered', outside.code !== 0, outside.stdout)
  await host.exec(['ufw', 'default', 'allow', 'outgoing'])
  mustSucceed(await bootstrap(host, { args: [], limit: 300 }))
}
