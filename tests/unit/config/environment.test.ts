import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { expect, test } from 'vitest'

const server = fileURLToPath(new URL('../../../server', import.meta.url))
const READS = /process\s*\.\s*env|process\[|from 'node:process'/

test('D1.4 only server/config reads the environment', () => {
  const files = readdirSync(server, { recursive: true, encoding: 'utf8' }).filter((file) =>
    file.endsWith('.ts'),
  )
  const readers = files.filter((file) => READS.test(readFileSync(join(server, file), 'utf8')))
  expect(files.length).toBeGreaterThan(50)
  expect(readers.filter((file) => !file.startsWith('config/'))).toEqual([])
  // The rule finds what it looks for.
  expect(readers).toContain('config/env.ts')
})
