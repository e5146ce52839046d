import { randomUUID } from 'node:crypto'
import { readdir, readFile, rm, stat, writeFile } from 'node:fs/promises'
import { basename, join } from 'node:path'
import { describe, expect, it, onTestFinished } from 'vitest'
import { plan } from '../../../scripts/rotate/age-key.ts'
import { perform } from '../../../scripts/rotate/steps.ts'
import { recipientOf } from '../../../secrets/age.ts'
import { openFile, recipientsOfFile } from '../../../secrets/file.ts'
import { parseIdentity } from '../../../secrets/identity.ts'
import { formatRecipients, readRecipients } from '../../../secrets/recipients.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { Stack } from './stack.ts'

/** A page on a memory disk, gone after the test. */
function pages(): { page: string } {
  const page = `/dev/shm/whatsapp-mcp-test-${randomUUID()}.html`
  onTestFinished(() => rm(page, { force: true }))
  return { page }
}

async function identityIn(path: string): Promise<Secret> {
  const parsed = parseIdentity(await readFile(path, 'utf8'))
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.identity
}

/** What a boot needs at any moment: the installed key opens the file. */
async function expectBoots(stack: Stack): Promise<void> {
  await stack.boot()
}

async function expectRotated(stack: Stack, old: Secret, paper: { page: string }): Promise<void> {
  const { place, ageKey } = stack.host
  const fresh = await identityIn(ageKey)
  const recipient = await recipientOf(fresh)
  expect(fresh.reveal()).not.toBe(old.reveal())
  await expect(openFile(place.secretsFile, old)).rejects.toThrow('cannot open this file')
  const roles = await readRecipients(place.sopsYaml)
  expect(roles.map(({ role }) => role)).toEqual(['host', 'recovery'])
  expect(roles[0]?.recipient).toBe(recipient)
  expect(await recipientsOfFile(place.secretsFile)).toEqual(roles.map((role) => role.recipient))
  expect((await readdir(join(ageKey, '..'))).filter((name) => name.startsWith(basename(ageKey)))).toEqual([
    basename(ageKey),
  ])
  expect((await stat(ageKey)).mode & 0o777).toBe(0o400)
  expect(await readFile(paper.page, 'utf8')).toContain(recipient)
  await expectBoots(stack)
}

async function dataKeyOf(stack: Stack): Promise<string> {
  const { dataKey } = await openFile(stack.host.place.secretsFile, await identityIn(stack.host.ageKey))
  return dataKey.toString('hex')
}

describe('age-key', () => {
  it('makes a new key, gets it onto paper, installs it, and locks the old one out under a new data key', async () => {
    const stack = await Stack.make()
    const [old, dataKey, paper] = [await identityIn(stack.host.ageKey), await dataKeyOf(stack), pages()]
    const values = await stack.values()
    await perform((await plan(stack.host, paper)).steps, () => {})
    await expectRotated(stack, old, paper)
    expect(await dataKeyOf(stack)).not.toBe(dataKey)
    expect([...(await stack.values())].map(([name, value]) => [name, value.reveal()])).toEqual(
      [...values].map(([name, value]) => [name, value.reveal()]),
    )
  })

  it('cut off after any step it goes on, and the installed key opens the file at every moment', async () => {
    const { steps } = await plan((await Stack.make()).host, pages())
    for (let cut = 0; cut < steps.length; cut += 1) {
      const stack = await Stack.make()
      const [old, paper] = [await identityIn(stack.host.ageKey), pages()]
      await perform((await plan(stack.host, paper)).steps.slice(0, cut), () => {})
      await expectBoots(stack)
      await perform((await plan(stack.host, paper)).steps, () => {})
      await expectRotated(stack, old, paper)
    }
  })

  it.each([
    ['the list of recipients, before the new key', 2, false],
    ['the list of recipients, after the old key', 4, true],
  ])('cut off between %s and the file, it goes on', async (_, done, removed) => {
    const stack = await Stack.make()
    const { place, ageKey } = stack.host
    const [old, paper] = [await identityIn(ageKey), pages()]
    const before = await readFile(place.secretsFile, 'utf8')
    await perform((await plan(stack.host, paper)).steps.slice(0, done - (removed ? 1 : 0)), () => {})
    if (removed) {
      const kept = (await readRecipients(place.sopsYaml)).filter(({ role }) => role !== 'host-previous')
      await writeFile(place.sopsYaml, formatRecipients(kept))
    } else await writeFile(place.secretsFile, before)
    await expectBoots(stack)
    await perform((await plan(stack.host, paper)).steps, () => {})
    await expectRotated(stack, old, paper)
  })

  it('is refused before a key is made where it could not be got onto paper, or would touch a disk', async () => {
    const stack = await Stack.make()
    await expect(plan(stack.host, { page: undefined })).rejects.toThrow('no terminal')
    await expect(plan(stack.host, { page: join(import.meta.dirname, 'page.html') })).rejects.toThrow(
      'touch a disk',
    )
  })
})
