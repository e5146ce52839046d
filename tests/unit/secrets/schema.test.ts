import { mkdir, open, readdir, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { inspect } from 'node:util'
import { describe, expect, it } from 'vitest'
import { writeAtomically } from '../../../secrets/atomic.ts'
import { isSecretName, problemOfValue, problemsOf } from '../../../secrets/check.ts'
import { openFile, readSecrets, replaceFile } from '../../../secrets/file.ts'
import { SECRET_NAMES, SECRETS, specOf } from '../../../secrets/schema.ts'
import { Secret } from '../../../secrets/secret.ts'
import { change, create } from '../../../secrets/sops.ts'
import { allSecrets, errorOf, repository, scratch } from './fixtures.ts'

describe('the list of secrets', () => {
  it('is what readSecrets gives', async () => {
    const repo = await repository()
    const values = await readSecrets(repo.secretsFile, repo.host.identity)
    expect([...values.keys()]).toEqual(SECRET_NAMES)
    expect(values.get('api_key_pepper')?.reveal()).toBe(allSecrets().get('api_key_pepper')?.reveal())
  })

  it('is exact: unknown, missing and short values are all named at once, without the values', async () => {
    const repo = await repository()
    const values = new Map<string, Secret>(allSecrets())
    values.delete('wa_app_secret')
    values.delete('wa_app_secret_previous')
    values.set('media_signing_secret', new Secret('shortvalue'))
    values.set('surplus', new Secret('surplusvalue'))
    await writeFile(repo.secretsFile, await create(values, [repo.host.recipient]))
    const { message } = await errorOf(() => readSecrets(repo.secretsFile, repo.host.identity))
    expect(message).toMatch(/wa_app_secret is missing/)
    expect(message).not.toMatch(/wa_app_secret_previous/)
    expect(message).toMatch(/media_signing_secret must have at least 32 characters, has 10/)
    expect(message).toMatch(/surplus is not a secret/)
    expect(message).not.toMatch(/shortvalue|surplusvalue|canary/)
  })

  it('refuses values that programs would read differently', () => {
    const problem = (text: string) => problemOfValue('wa_app_secret', new Secret(text))
    const good = '0123456789abcdef'
    expect(problem(good)).toBeUndefined()
    expect(problem(`${good}\n`)).toMatch(/begin or end/)
    expect(problem(` ${good}`)).toMatch(/begin or end/)
    expect(problem(`${good}\n${good}`)).toMatch(/one line/)
    expect(problem(`${good}\0`)).toMatch(/one line/)
    expect(problem(`${good}\ud800`)).toMatch(/Unicode/)
    expect(problem('short')).toMatch(/at least 16/)
    expect(problemsOf(allSecrets())).toEqual([])
  })
})

describe('the value before, while a secret is replaced', () => {
  it('may stand beside it, and no container is given it unless the list says so', () => {
    expect(specOf('postgres_password_previous')).toMatchObject({
      consumers: [],
      optional: true,
      minLength: 24,
    })
    expect(specOf('wa_default_access_token_previous').consumers).toEqual([])
    expect(specOf('wa_webhook_verify_token_previous').consumers).toEqual([])
    expect(specOf('api_key_pepper_previous').consumers).toEqual(['app'])
    expect(specOf('media_signing_secret_previous').consumers).toEqual(['app'])
    expect(isSecretName('no_such_secret_previous')).toBe(false)
    expect(isSecretName('_previous')).toBe(false)
    expect(problemOfValue('postgres_password_previous', new Secret('short'))).toMatch(/at least 24/)
  })
})

describe('families of secrets', () => {
  const value = new Secret('0123456789abcdef')

  it('let there be one per number or Meta app', async () => {
    const repo = await repository()
    const names = [
      'wa_access_token_104857600000001',
      'wa_app_secret_second_shop',
      'wa_webhook_verify_token_b',
    ]
    const values = new Map<string, Secret>(allSecrets())
    for (const name of names) {
      expect(isSecretName(name)).toBe(true)
      values.set(name, value)
    }
    expect(problemsOf(values)).toEqual([])
    await writeFile(repo.secretsFile, await create(values, [repo.host.recipient]))
    expect([...(await readSecrets(repo.secretsFile, repo.host.identity)).keys()]).toEqual([...values.keys()])
  })

  it('need a usable value, and a name of the right form', () => {
    expect(problemOfValue('wa_access_token_1', new Secret('short'))).toMatch(/at least 16/)
    const long = `wa_app_secret_${'x'.repeat(49)}`
    for (const name of [
      'wa_access_token_',
      'wa_access_token_Ä',
      'wa_app_secret_a-b',
      long,
      'xwa_app_secret_a',
      '../wa_app_secret_a',
    ]) {
      expect(isSecretName(name), name).toBe(false)
      expect(problemsOf(new Map([...allSecrets(), [name, value]]))).toHaveLength(1)
    }
    expect(() => specOf('wa_access_token_')).toThrow('is not a secret of this project')
  })

  it('leave the fixed ones as they are: the previous app secret is no app named previous', () => {
    expect(specOf('wa_app_secret_previous')).toBe(SECRETS.wa_app_secret_previous)
  })
})

describe('replacing the file', () => {
  it('does not overwrite what somebody else wrote meanwhile', async () => {
    const repo = await repository()
    const opened = await openFile(repo.secretsFile, repo.host.identity)
    const next = () =>
      change(opened, new Map(opened.values).set('wa_app_secret', new Secret('0123456789abcdef')))
    const other = await create(allSecrets(), [repo.host.recipient])
    await writeFile(repo.secretsFile, other)
    await expect(replaceFile(opened, next)).rejects.toThrow(/changed by somebody else/)
    const current = await openFile(repo.secretsFile, repo.host.identity)
    expect(current.text).toBe(other)
    expect(await replaceFile(current, () => current.text)).toBe(false)
  })

  it('is atomic: a reader with the old file open keeps it, and a failure leaves nothing', async () => {
    const repo = await repository()
    const opened = await openFile(repo.secretsFile, repo.host.identity)
    const reader = await open(repo.secretsFile)
    const values = new Map(opened.values).set('wa_app_secret', new Secret('0123456789abcdef'))
    expect(await replaceFile(opened, () => change(opened, values))).toBe(true)
    expect(await reader.readFile('utf8')).toBe(repo.text)
    await reader.close()
    const current = await openFile(repo.secretsFile, repo.host.identity)
    expect(current.values.get('wa_app_secret')?.reveal()).toBe('0123456789abcdef')
    expect((await stat(repo.secretsFile)).mode & 0o777).toBe(0o644)
    const directory = await scratch()
    await mkdir(join(directory, 'taken'))
    await expect(writeAtomically(join(directory, 'taken'), 'text', 0o644)).rejects.toThrow(/EISDIR/)
    expect(await readdir(directory)).toEqual(['taken'])
    await expect(readSecrets(directory, repo.host.identity)).rejects.toThrow(/cannot be read \(EISDIR\)/)
  })

  it('names the file and the remedy when it is damaged', async () => {
    const repo = await repository()
    await writeFile(repo.secretsFile, repo.text.replace(/^api_key_pepper: .*\n/m, ''))
    const { message } = await errorOf(() => readSecrets(repo.secretsFile, repo.host.identity))
    expect(message).toContain(repo.secretsFile)
    expect(message).toMatch(/MAC does not match.*git checkout/)
    const wrong = await errorOf(() => readSecrets(repo.secretsFile, repo.stranger.identity))
    expect(wrong.message).not.toMatch(/git checkout/)
  })
})

describe('a Secret', () => {
  it('never prints', () => {
    const secret = new Secret('hunter2')
    const error = new Error(`with ${secret}`, { cause: { secret } })
    const seen = [
      `${secret}`,
      String(secret),
      JSON.stringify({ secret }),
      inspect({ secret }),
      inspect(error),
    ]
    expect(seen.join()).not.toContain('hunter2')
    expect(secret.reveal()).toBe('hunter2')
  })
})
