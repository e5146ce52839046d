import { readFile, writeFile } from 'node:fs/promises'
import { describe, expect, it } from 'vitest'
import { readSecrets, recipientsOfFile } from '../../../secrets/file.ts'
import { readRecipients, readRecoveryRecipient } from '../../../secrets/recipients.ts'
import { newKey, repository } from './fixtures.ts'

describe('.sops.yaml', () => {
  it('is read as it is written', async () => {
    const repo = await repository()
    expect(await readRecipients(repo.sopsYaml)).toEqual(repo.roles)
    expect(await readRecoveryRecipient(repo.sopsYaml)).toBe(repo.recovery.recipient)
    expect(await recipientsOfFile(repo.secretsFile)).toEqual(repo.roles.map(({ recipient }) => recipient))
  })

  it('is refused when it cannot be trusted', async () => {
    const repo = await repository()
    const good = await readFile(repo.sopsYaml, 'utf8')
    const cases: [string, RegExp][] = [
      [good.replace(/^ {4}recovery:.*\n/m, ''), /not valid|missing|Unresolved|recovery/],
      [good.replace('*host, ', ''), /does not list exactly.*host/],
      [good.replace('*host, ', `*host, ${repo.stranger.recipient}, `), /does not list exactly/],
      [good.replace(/(path_regex: ).*/, '$1.*'), /one creation rule/],
      [good.replace(/ops/g, 'Ops!'), /cannot be a role|not valid|Unresolved/],
      [good.replace(repo.operator.recipient, repo.host.recipient), /same recipient/],
      [good.replace(repo.operator.recipient, `${repo.operator.recipient.slice(0, -1)}1`), /recipient of ops/],
      ['recipients: [', /not valid YAML/],
      ['creation_rules: []', /recipients/],
    ]
    for (const [text, expected] of cases) {
      expect(text).not.toBe(good)
      await writeFile(repo.sopsYaml, text)
      await expect(readRecipients(repo.sopsYaml), text).rejects.toThrow(expected)
    }
  })

  it('is missed with the remedy', async () => {
    const { identity } = await newKey()
    await expect(readRecipients('/nonexistent/.sops.yaml')).rejects.toThrow(/is missing\. Make it with/)
    await expect(readSecrets('/nonexistent/x', identity)).rejects.toThrow(/is missing\. Make it with/)
  })
})
