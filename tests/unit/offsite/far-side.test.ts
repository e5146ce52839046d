import { readFile } from 'node:fs/promises'
import { expect, test } from 'vitest'

test('the far side of the drill is set up as the page says', async () => {
  const [page, conf, recipe] = await Promise.all(
    [
      'docs/operations/offsite.md',
      'tests/drill/images/vault/offsite.conf',
      'tests/drill/images/vault/Dockerfile',
    ].map((file) => readFile(new URL(`../../../${file}`, import.meta.url), 'utf8')),
  )
  const onPage = (page ?? '').split('\n').map((line) => line.trim())
  const settings = (conf ?? '').split('\n').map((line) => line.trim())
  expect(onPage).toEqual(expect.arrayContaining(settings.filter((line) => line && !line.startsWith('#'))))
  const commands = onPage.filter((line) => /^(useradd|install) /.test(line))
  expect(commands).toHaveLength(3)
  for (const command of commands) expect(recipe).toContain(command)
})
