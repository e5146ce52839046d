import { writeFile } from 'node:fs/promises'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import {
  acceptHostIdentity,
  acceptRecoveryIdentity,
  parseIdentity,
  RefusedIdentity,
} from '../../../secrets/identity.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { create } from '../../../secrets/sops.ts'
import { printedGroups } from '../../../secrets/typed.ts'
import { allSecrets, dice, errorOf, repository } from './fixtures.ts'
import { mistype, places } from './mistype.ts'

describe('accepting the key of the host', () => {
  it('takes the host key, in groups as well', async () => {
    const repo = await repository()
    const accepted = await acceptHostIdentity(printedGroups(repo.host.body).join(' '), repo)
    expect(accepted.recipient).toBe(repo.host.recipient)
    expect(accepted.identity.reveal()).toBe(repo.host.identity.reveal())
  })

  it('refuses every other key with its reason', async () => {
    const repo = await repository()
    const refusal = async (typed: string) => (await errorOf(() => acceptHostIdentity(typed, repo))).message
    expect(await refusal(repo.recovery.body)).toMatch(/recovery key\. It stays on paper/)
    expect(await refusal(repo.operator.body)).toMatch(/operator "ops"/)
    expect(await refusal(repo.stranger.body)).toMatch(/neither file knows/)
    expect(await refusal('nonsense')).toMatch(/type it again/)
  })

  it('points at the mistake and carries the correction', async () => {
    const repo = await repository()
    const error = await errorOf(() => acceptHostIdentity(mistype(repo.host.body, [4, 50]).text, repo))
    expect(error).toBeInstanceOf(RefusedIdentity)
    expect(error.message).toMatch(/in groups 2, 13\.$/)
    const { correction } = error as RefusedIdentity
    expect(correction?.identity.reveal()).toBe(repo.host.identity.reveal())
    expect(inspect(error)).not.toContain(repo.host.body)
  })

  it('does not offer to correct a mistyped recovery key', async () => {
    const repo = await repository()
    const error = await errorOf(() => acceptHostIdentity(mistype(repo.recovery.body, [4]).text, repo))
    expect(error.message).toMatch(/recovery key/)
    expect((error as RefusedIdentity).correction).toBeUndefined()
  })

  it('refuses when .sops.yaml and the file disagree', async () => {
    const repo = await repository()
    const [recovery, operator] = [repo.recovery.recipient, repo.operator.recipient]
    await writeFile(repo.secretsFile, await create(allSecrets(), [recovery, operator]))
    await expect(acceptHostIdentity(repo.host.body, repo)).rejects.toThrow(/not encrypted to it/)
    const replaced = repo.roles.map((entry) =>
      entry.role === 'host' ? { ...entry, recipient: repo.stranger.recipient } : entry,
    )
    await writeFile(repo.secretsFile, repo.text)
    await writeFile(repo.sopsYaml, formatRecipients(replaced))
    await expect(acceptHostIdentity(repo.host.body, repo)).rejects.toThrow(/\.sops\.yaml does not name it/)
  })

  it('never says any part of what was typed', async () => {
    const repo = await repository()
    const roll = dice(5)
    const slips: ((body: string) => string)[] = [
      (body) => body,
      (body) => mistype(body, [roll(58)], roll).text,
      (body) => mistype(body, places(2, roll), roll).text,
      (body) => body.slice(0, roll(58)),
      (body) => `${body}${body}`,
      (body) => `AGE-SECRET-KEY-PQ-1${body}`,
      (body) => `age1${body.toLowerCase()}`,
      (body) => body.replace(/.{4}/, 'ÄÖ€?'),
      (body) => `# ${body}`,
      (body) => `AGE-SECRET-KEY-1${body}\nAGE-SECRET-KEY-1${body}`,
    ]
    for (const { body } of [repo.host, repo.recovery, repo.operator, repo.stranger]) {
      for (const slip of slips) {
        const typed = slip(body)
        const seen: string[] = []
        try {
          seen.push(inspect(await acceptHostIdentity(typed, repo), { depth: 9 }))
        } catch (error) {
          seen.push(inspect(error, { depth: 9 }), JSON.stringify(error), (error as Error).stack ?? '')
        }
        const parsed = parseIdentity(typed)
        seen.push(inspect(parsed), JSON.stringify(parsed))
        const output = seen.join('\n').toUpperCase()
        for (let start = 0; start + 6 <= body.length; start++) {
          expect(output.includes(body.slice(start, start + 6))).toBe(false)
        }
      }
    }
  })
})

describe('accepting the recovery key', () => {
  it('takes the recovery key, in groups as well', async () => {
    const repo = await repository()
    const accepted = await acceptRecoveryIdentity(printedGroups(repo.recovery.body).join(' '), repo)
    expect(accepted.recipient).toBe(repo.recovery.recipient)
    expect(accepted.identity.reveal()).toBe(repo.recovery.identity.reveal())
  })

  it('refuses every other key with its reason', async () => {
    const repo = await repository()
    const refusal = async (typed: string) =>
      (await errorOf(() => acceptRecoveryIdentity(typed, repo))).message
    expect(await refusal(repo.host.body)).toMatch(/key of the host\. .* type the recovery key/)
    expect(await refusal(repo.operator.body)).toMatch(/operator "ops"/)
    expect(await refusal(repo.stranger.body)).toMatch(/neither file knows.*recovery key belongs to/)
  })

  it('corrects a slip in the recovery key, and none towards the host key', async () => {
    const repo = await repository()
    const slip = await errorOf(() => acceptRecoveryIdentity(mistype(repo.recovery.body, [21]).text, repo))
    expect(slip.message).toMatch(/in group 6\.$/)
    expect((slip as RefusedIdentity).correction?.identity.reveal()).toBe(repo.recovery.identity.reveal())
    const other = await errorOf(() => acceptRecoveryIdentity(mistype(repo.host.body, [21]).text, repo))
    expect((other as RefusedIdentity).correction).toBeUndefined()
  })
})
