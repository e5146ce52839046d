import { randomBytes } from 'node:crypto'
import { identityToRecipient } from 'age-encryption'
import { KEY_FILE, REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { killAt, wasKilled } from '../lib/kill-at.ts'
import { STAND_IN } from '../lib/network.ts'
import { searchCanaries } from '../lib/outside/canaries.ts'
import { say } from '../lib/progress.ts'
import { Operator } from '../lib/rotation.ts'
import { smoke } from '../lib/smoke.ts'
import { standInFor } from '../lib/stand-in.ts'

export const title = 'every secret is replaced while clients are connected, and holds across a reboot'

const PAGE = '/dev/shm/host-key.html'

const typed = (what: string): string => `typed-${what}-${randomBytes(16).toString('hex')}`

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  await standInFor(drill, host)
  const operator = new Operator(drill, host)
  const key = await operator.mintKey('rotation', [
    '--scopes',
    'tools:get_messages,tools:get_media',
    '--rpm',
    '1000',
  ])
  drill.expect('a client gets in', await operator.getsIn(key))

  await withoutRestart(drill, host, operator, key)
  await databasePasswords(drill, host, operator, key)
  await mediaKey(drill, host, operator)
  await inngestAndAgeKeys(drill, host, operator)
  await pepper(drill, operator, key)
  await smoke(drill, host)

  await operator.remember()
  await searchCanaries(drill, host, { token: key, bootstrapOutput: '', also: [...operator.secrets] })
}

/** The three that the server reads anew: nobody who is connected notices. */
async function withoutRestart(drill: Drill, host: Host, operator: Operator, key: string): Promise<void> {
  const { wa_default_access_token: oldToken } = drill.world.material.canaries
  const [token, appSecret] = [typed('access-token'), typed('app-secret')]
  const seen = await operator.connected(key, async () => {
    await operator.refused(3, 'meta-token', [], /does not take the new token|standard input/)
    await operator.atMeta({ tokens: [oldToken ?? '', token] })
    const report = await operator.rotate('meta-token', [], token)
    drill.expect(
      'it says to commit and to revoke',
      /commit/.test(report.next?.join() ?? '') && /--confirm-revoked/.test(report.next?.join() ?? ''),
      report.next?.join('\n'),
    )
    await operator.refused(1, 'meta-token', ['--confirm-revoked'], /still takes the old token/)
    await operator.atMeta({ tokens: [token] })
    await operator.rotate('meta-token', ['--confirm-revoked'])
    await operator.rotate('app-secret', [], appSecret)
    await operator.atMeta({ appSecret })
    await operator.rotate('app-secret', ['--finish'])
    await operator.rotate('webhook-token')
  })
  drill.expect(
    'a connected client noticed nothing',
    seen.failed === 0 && seen.asked > 5,
    JSON.stringify(seen),
  )
  await operator.reboot()
  drill.expect('its key gets in after a reboot', await operator.getsIn(key))
  await smoke(drill, host)
}

/** Killed while the stack restarts, then the host reboots: the stack starts all the same, and the same command ends it. */
async function databasePasswords(drill: Drill, host: Host, operator: Operator, key: string): Promise<void> {
  await operator.remember()
  const rotate = [`${REPOSITORY}/node_modules/.bin/node`, `${REPOSITORY}/scripts/rotate.ts`, 'db-password']
  const killer = await killAt('drill-rotate', { line: '… stack restarted$', after: 2 })
  const cut = await host.exec([...killer, ...rotate], { mayFail: true, limit: 300 })
  drill.expect('killed while the stack restarts', wasKilled(cut.stderr), cut.stderr)
  await operator.reboot()
  drill.expect('after a reboot in the middle the client gets in', await operator.getsIn(key))
  const report = await operator.rotate('db-password')
  const [first] = report.steps
  drill.expect('it goes on where it was', first?.state === 'already', JSON.stringify(report.steps))
  const again = await operator.connected(key, async () => void (await operator.rotate('db-password')))
  say(`  the whole stack restarted: ${again.longest.toFixed(1)} s without an answer`)
  drill.expect('and gets in when they are replaced once more', await operator.getsIn(key))
}

async function mediaKey(drill: Drill, host: Host, operator: Operator): Promise<void> {
  const owner = await operator.mintKey('owner', ['--scopes', '*'])
  const before = await operator.mediaLink(owner)
  drill.expect('a media link shows the file', (await operator.follow(before)) === '200')
  const seen = await operator.connected(owner, async () => void (await operator.rotate('media-key')))
  say(`  the app restarted: ${seen.longest.toFixed(1)} s without an answer`)
  drill.expect('a link made before works', (await operator.follow(before)) === '200')
  await operator.refused(3, 'media-key', ['--finish'], /may live until/)
  await operator.reboot()
  drill.expect('also after a reboot', (await operator.follow(before)) === '200')
  const after = await operator.mediaLink(owner)
  await operator.rotate('media-key', ['--finish', '--now'])
  drill.expect('and no longer when the grace was ended', (await operator.follow(before)) === '404')
  drill.expect('while a link made after does', (await operator.follow(after)) === '200')
  await operator.rotate('media-key', ['--hard'])
  drill.expect('a hard rotation ends that one too', (await operator.follow(after)) === '404')
  await smoke(drill, host)
}

/** Inngest without its server: only so far as the app is concerned, whose signature it takes. */
async function inngestAndAgeKeys(drill: Drill, host: Host, operator: Operator): Promise<void> {
  await operator.refused(3, 'inngest-keys', [], /nothing to replace/)
  for (const name of ['inngest_event_key', 'inngest_signing_key']) {
    const set = await operator.run('secrets.ts', ['set', name, '--generate'])
    drill.expect(`${name} is set`, set.code === 0, set.stderr)
  }
  const use = 'echo "WA_INNGEST_BASE_URL=$1" >> /etc/whatsapp-mcp/stack.env; systemctl restart whatsapp-mcp'
  await host.sh(use, [`http://${STAND_IN.address}:9109`], { limit: 300 })
  const rotated = await operator.rotate('inngest-keys')
  expectProved(drill, rotated.steps, ['200', '200'])
  await ageKey(drill, host, operator)
  await operator.reboot()
  const verify = await operator.run('secrets.ts', ['verify'])
  drill.expect('after a reboot the file opens with the installed key', verify.code === 0, verify.stderr)
  expectProved(drill, (await operator.rotate('inngest-keys', ['--finish'])).steps, ['200', '401'])
  const leave = 'sed -i /^WA_INNGEST_BASE_URL/d /etc/whatsapp-mcp/stack.env; systemctl restart whatsapp-mcp'
  await host.sh(leave, [], { limit: 300 })
}

function expectProved(
  drill: Drill,
  steps: readonly { state: string; detail?: string | undefined }[],
  wanted: string[],
): void {
  const proved = steps.filter(({ state }) => state === 'proved').map(({ detail }) => detail ?? '')
  drill.expect(
    `calls signed with the new and the old key get ${wanted.join(' and ')}`,
    proved.join() === wanted.join(),
    proved.join(),
  )
}

async function ageKey(drill: Drill, host: Host, operator: Operator): Promise<void> {
  await operator.refused(3, 'age-key', [], /no terminal/)
  await operator.rotate('age-key', ['--page', PAGE])
  const page = await host.read(PAGE)
  const installed = (await host.read('/etc/whatsapp-mcp/age.key')).trim()
  const groups = installed.replace('AGE-SECRET-KEY-1', '').match(/.{1,4}/g) ?? []
  drill.expect(
    'the page shows the key in groups',
    groups.every((group) => page.includes(`</sup>${group}<`)),
  )
  await host.exec(['rm', PAGE])
  await drill.giveKey(host)
  const old = await operator.run('secrets.ts', ['verify', '--age-key-file', KEY_FILE])
  await host.exec(['rm', KEY_FILE])
  drill.expect(
    'the old key opens the file no more',
    old.code !== 0 && /cannot open this file/.test(old.stderr),
    old.stderr,
  )
  await recipients(drill, host, operator)
}

async function pepper(drill: Drill, operator: Operator, key: string): Promise<void> {
  const idle = await operator.mintKey('idle')
  const soft = await operator.rotate('pepper', ['--soft'])
  drill.expect(
    'it names the key nobody used',
    /idle, rotation/.test(soft.next?.join() ?? ''),
    soft.next?.join('\n'),
  )
  await operator.reboot()
  drill.expect('a key from before gets in, after a reboot too', await operator.getsIn(key))
  await operator.rotate('pepper', ['--finish'])
  drill.expect('a key that was used goes on working', await operator.getsIn(key))
  drill.expect('one that was not is refused', !(await operator.getsIn(idle)))
  await operator.rotate('pepper', ['--hard'])
  await operator.reboot()
  drill.expect('after a hard rotation every key is refused', !(await operator.getsIn(key)))
  drill.expect('until it is minted anew', await operator.getsIn(await operator.mintKey('rotation')))
}

/** Somebody who edits secrets comes and goes. */
async function recipients(drill: Drill, host: Host, operator: Operator): Promise<void> {
  const { foreignKey } = drill.world.material
  const opens = async () =>
    (await operator.run('secrets.ts', ['verify', '--age-key-file', KEY_FILE])).code === 0
  await drill.giveKey(host, foreignKey)
  drill.expect('a stranger does not open the file', !(await opens()))
  await operator.run('secrets.ts', ['recipients', 'add', 'anna', await identityToRecipient(foreignKey)])
  drill.expect('made a recipient, she does', await opens())
  await operator.run('secrets.ts', ['recipients', 'remove', 'anna'])
  await operator.run('secrets.ts', ['rotate'])
  drill.expect('removed, she does no more', !(await opens()))
  await host.exec(['rm', KEY_FILE])
}
