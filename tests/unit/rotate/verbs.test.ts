import { describe, expect, it, vi } from 'vitest'
import * as appSecret from '../../../scripts/rotate/app-secret.ts'
import * as dbPassword from '../../../scripts/rotate/db-password.ts'
import type { Host } from '../../../scripts/rotate/host.ts'
import * as inngestKeys from '../../../scripts/rotate/inngest-keys.ts'
import * as mediaKey from '../../../scripts/rotate/media-key.ts'
import * as metaToken from '../../../scripts/rotate/meta-token.ts'
import * as pepper from '../../../scripts/rotate/pepper.ts'
import { type Done, perform, type Rotation } from '../../../scripts/rotate/steps.ts'
import * as webhookToken from '../../../scripts/rotate/webhook-token.ts'
import { inspectExploded } from '../../../secrets/explode.ts'
import type { SecretName } from '../../../secrets/schema.ts'
import { Secret } from '../../../secrets/secret.ts'
import { Stack } from './stack.ts'

/** A person gives the same answer however often the command is run. */
const TYPED = 'typed-by-a-person-0123456789'
vi.mock('../../../scripts/rotate/ask.ts', () => ({ ask: async () => new Secret(TYPED) }))

async function run(stack: Stack, plan: (host: Host) => Promise<Rotation>): Promise<Done[]> {
  const done: Done[] = []
  const { steps } = await plan(stack.host)
  await perform(steps, (step) => done.push(step))
  return done
}

const states = (done: Done[]) => done.map(({ state }) => state)

async function expectDecrypted(stack: Stack): Promise<void> {
  expect(await inspectExploded(await stack.values(), stack.host.secrets, { chown: false })).toEqual([])
}

interface Case {
  readonly verb: string
  readonly plan: (host: Host) => Promise<Rotation>
  readonly names: readonly SecretName[]
  /** Ends a grace; absent where there is none. */
  readonly finish?: (host: Host) => Promise<Rotation>
}

const CASES: readonly Case[] = [
  {
    verb: 'meta-token',
    plan: (host) => metaToken.plan(host),
    names: ['wa_default_access_token'],
    finish: (host) => metaToken.confirmRevoked(host),
  },
  { verb: 'app-secret', plan: appSecret.plan, names: ['wa_app_secret'], finish: appSecret.finish },
  { verb: 'webhook-token', plan: webhookToken.plan, names: ['wa_webhook_verify_token'] },
  {
    verb: 'db-password',
    plan: dbPassword.plan,
    names: ['postgres_password', 'postgres_owner_password', 'postgres_app_password'],
  },
  { verb: 'pepper --soft', plan: pepper.soft, names: ['api_key_pepper'], finish: pepper.finish },
  { verb: 'pepper --hard', plan: pepper.hard, names: ['api_key_pepper'] },
  {
    verb: 'media-key',
    plan: mediaKey.plan,
    names: ['media_signing_secret'],
    finish: (host) => mediaKey.finish(host, true),
  },
  { verb: 'media-key --hard', plan: mediaKey.hard, names: ['media_signing_secret'] },
  {
    verb: 'inngest-keys',
    plan: inngestKeys.plan,
    names: ['inngest_event_key', 'inngest_signing_key'],
    finish: inngestKeys.finish,
  },
]

describe.each(CASES)('$verb', ({ plan, names, finish }) => {
  async function fresh() {
    const stack = await Stack.make()
    stack.valid.add(TYPED)
    const old = await Promise.all(names.map((name) => stack.value(name)))
    const revoke = () => void stack.valid.delete(old[0] ?? '')
    return { stack, old, revoke }
  }

  it('replaces the values, puts them into effect and forgets the old ones', async () => {
    const { stack, old, revoke } = await fresh()
    await run(stack, plan)
    revoke()
    if (finish) {
      for (const name of names)
        expect((await stack.values()).has(`${name}_previous` as SecretName)).toBe(true)
      expect(states(await run(stack, finish))).toContain('proved')
    }
    for (const [index, name] of names.entries()) expect(await stack.value(name)).not.toBe(old[index])
    expect([...(await stack.values()).keys()].filter((name) => /_previous/.test(name))).toEqual([])
    await expectDecrypted(stack)
  })

  it.runIf(finish)('run again during the grace, changes nothing', async () => {
    const { stack } = await fresh()
    await run(stack, plan)
    const [before, commands] = [await stack.values(), stack.transcript.length]
    expect(states(await run(stack, plan))).not.toContain('changed')
    expect([...(await stack.values())].map(([, value]) => value.reveal())).toEqual(
      [...before].map(([, value]) => value.reveal()),
    )
    expect(stack.transcript.slice(commands).filter((line) => /restart/.test(line))).toEqual([])
  })

  it('killed anywhere it goes on where it was, also after a reboot', { timeout: 60_000 }, async () => {
    const { stack } = await fresh()
    stack.found = []
    await run(stack, plan)
    // A kill before a call that finds everything as the call before it did, is the same kill.
    const calls = stack.found.flatMap((state, at, all) => (state === all[at - 1] ? [] : [at]))
    expect(calls.length).toBeGreaterThan(0)
    // Side by side, since each waits most of its time, as a real one waits for containers.
    await Promise.all(calls.flatMap((at) => [killed(at, false), killed(at, true)]))
  })

  async function killed(at: number, reboots: boolean): Promise<void> {
    const { stack, revoke } = await fresh()
    expect(await stack.runUntilKilled(at, () => run(stack, plan))).toBe(true)
    const inFile = await Promise.all(names.map((name) => stack.value(name)))
    const begun = [...(await stack.values()).keys()].some((name) => /_previous$/.test(name))
    if (reboots) await stack.boot()
    await run(stack, plan)
    // What was begun is ended, not begun anew.
    if (begun) expect(await Promise.all(names.map((name) => stack.value(name)))).toEqual(inFile)
    revoke()
    if (finish) await run(stack, finish)
    expect([...(await stack.values()).keys()].filter((name) => /_previous/.test(name))).toEqual([])
    await expectDecrypted(stack)
  }

  it('puts no value into a command line', async () => {
    const { stack, revoke } = await fresh()
    const known = [...(await stack.values()).values()]
    await run(stack, plan)
    known.push(...(await stack.values()).values())
    revoke()
    if (finish) await run(stack, finish)
    const lines = stack.transcript.join('\n')
    for (const value of known) expect(lines).not.toContain(value.reveal())
  })
})

describe('what is refused', () => {
  it('a token that Meta does not take, with nothing changed', async () => {
    const stack = await Stack.make()
    const before = await stack.value('wa_default_access_token')
    await expect(run(stack, (host) => metaToken.plan(host))).rejects.toThrow(
      'Meta does not take the new token',
    )
    expect(await stack.value('wa_default_access_token')).toBe(before)
    expect((await stack.values()).has('wa_default_access_token_previous')).toBe(false)
  })

  it('to forget a token that still works', async () => {
    const stack = await Stack.make()
    stack.valid.add(TYPED)
    await run(stack, (host) => metaToken.plan(host))
    await expect(run(stack, (host) => metaToken.confirmRevoked(host))).rejects.toThrow(
      'still takes the old token',
    )
    expect((await stack.values()).has('wa_default_access_token_previous')).toBe(true)
  })

  it('to end a grace there is none of', async () => {
    const stack = await Stack.make()
    for (const { verb, finish } of CASES)
      if (finish) await expect(run(stack, finish), verb).rejects.toThrow('nothing to replace')
  })

  it('to end the grace of media links while some may live', async () => {
    const stack = await Stack.make()
    await run(stack, mediaKey.plan)
    await expect(run(stack, (host) => mediaKey.finish(host, false))).rejects.toThrow(
      'links made before may live',
    )
  })

  it('to replace Inngest keys where there are none', async () => {
    const stack = await Stack.make(['inngest_event_key'])
    await expect(run(stack, inngestKeys.plan)).rejects.toThrow('inngest_event_key is not set')
  })

  it('to go on softly when the grace of the last rotation has passed', async () => {
    const stack = await Stack.make()
    expect(await stack.runUntilKilled(3, () => run(stack, pepper.hard))).toBe(true)
    await expect(run(stack, pepper.soft)).rejects.toThrow('is not finished')
  })
})

describe('a proof that does not hold', () => {
  it.each([
    ['db-password', dbPassword.plan, /old password of postgres is still taken/],
    ['media-key --hard', mediaKey.hard, /the server took it/],
  ])('fails %s, and the value before is not forgotten', async (_, plan, words) => {
    const stack = await Stack.make()
    stack.lenient = true
    await expect(run(stack, plan)).rejects.toThrow(words)
    expect([...(await stack.values()).keys()].some((name) => /_previous$/.test(name))).toBe(true)
    stack.lenient = false
    await run(stack, plan)
    expect([...(await stack.values()).keys()].some((name) => /_previous$/.test(name))).toBe(false)
  })
})

describe('restarts', () => {
  const restarts = async (plan: (host: Host) => Promise<Rotation>) => {
    const stack = await Stack.make()
    stack.valid.add(TYPED)
    await run(stack, plan)
    return stack.transcript.filter((line) => / restart /.test(line))
  }

  it('none for what the server reads anew', async () => {
    expect(await restarts((host) => metaToken.plan(host))).toEqual([])
    expect(await restarts(appSecret.plan)).toEqual([])
    expect(await restarts(webhookToken.plan)).toEqual([])
  })

  it('those that read it, for the others', async () => {
    expect(await restarts(pepper.soft)).toEqual(['compose restart --no-deps app app-b'])
    expect(await restarts(inngestKeys.plan)).toEqual(['compose restart --no-deps app app-b inngest'])
    expect(await restarts(dbPassword.plan)).toEqual(['systemctl restart whatsapp-mcp.service'])
  })
})
