import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import * as z from 'zod'
import { codePages } from '../../scripts/reference/code.ts'
import { type Files, staleFiles, writeFiles } from '../../scripts/reference/files.ts'
import { fieldsOf, type JsonSchema } from '../../scripts/reference/json-schema.ts'
import { table } from '../../scripts/reference/markdown.ts'
import { pages } from '../../scripts/reference/pages.ts'

const ROOT = join(import.meta.dirname, '../..')
const REFERENCE = join(ROOT, 'docs/reference')

test('docs/reference is what the code says: npm run reference', async () => {
  const files = new Map([...(await pages()), ...(await codePages())])
  expect(await staleFiles(REFERENCE, files)).toEqual([])
}, 60_000)

test('missing, changed and superfluous files are stale, and are put right', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'reference-'))
  try {
    const files: Files = new Map([
      ['same.md', 'same'],
      ['changed.md', 'new'],
      ['code/missing.md', 'missing'],
    ])
    await mkdir(join(directory, 'code'))
    await writeFile(join(directory, 'same.md'), 'same')
    await writeFile(join(directory, 'changed.md'), 'old')
    await writeFile(join(directory, 'code/superfluous.md'), '')
    const stale = await staleFiles(directory, files)
    expect(stale).toEqual(['changed.md', 'code/missing.md', 'code/superfluous.md'])
    await writeFiles(directory, files, stale)
    expect(await staleFiles(directory, files)).toEqual([])
  } finally {
    await rm(directory, { recursive: true })
  }
})

test('fields of a schema: nested, optional, with limits and shapes', () => {
  const person = z.object({ name: z.string() })
  const schema = z.toJSONSchema(
    z.object({
      kind: z.enum(['a', 'b']).default('a').describe('Which.'),
      people: z.array(z.object({ who: person, age: z.int().min(0).max(150).optional() })),
    }),
    { io: 'input' },
  ) as JsonSchema
  const shapes = [{ title: 'person', schema: z.toJSONSchema(person, { io: 'input' }) as JsonSchema }]
  expect(fieldsOf(schema, shapes)).toEqual([
    { path: 'kind', type: '`a`, `b`', isRequired: false, meaning: 'Which. Default `a`' },
    { path: 'people', type: 'list of object', isRequired: true, meaning: '' },
    { path: 'people[].who', type: '[person](#person)', isRequired: true, meaning: '' },
    { path: 'people[].age', type: 'integer', isRequired: false, meaning: '0 to 150' },
  ])
})

test('a table leaves out empty columns and keeps its cells apart', () => {
  expect(table(['A', 'B', 'C'], [['`x|y`', '', '<name>']])).toBe(
    '| A | C |\n|---|---|\n| `x\\|y` | \\<name> |',
  )
})
