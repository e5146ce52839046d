import { existsSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, test } from 'vitest'

/** SECURITY.md says who cannot do what, and which test shows it. */

const root = join(import.meta.dirname, '../../..')
const lines = readFileSync(join(root, 'SECURITY.md'), 'utf8').split('\n')

/** Rows of the table below this heading, by their first cell. */
function table(heading: string): ReadonlyMap<string, string> {
  const from = lines.indexOf(heading)
  const to = lines.findIndex((line, i) => i > from && line.startsWith('## '))
  const rows = lines
    .slice(from, to)
    .filter((line) => line.startsWith('| ') && !line.startsWith('| who holds'))
  return new Map(rows.map((row) => [(row.split('|')[1] ?? '').replaceAll(/\*\*|,.*/g, '').trim(), row]))
}

const threats = table('## What an attacker can and cannot do')
const proofs = table('## How it is kept true')

test('every attacker of the threat model has a proof, and no proof stands alone', () => {
  expect(threats.size).toBeGreaterThanOrEqual(12)
  expect([...proofs.keys()].sort()).toEqual([...threats.keys()].sort())
})

test('the proofs are there', () => {
  for (const [who, row] of proofs) {
    const files = [...row.matchAll(/`(tests\/[^`]+)`/g)].map((match) => match[1] ?? '')
    expect(files.length, who).toBeGreaterThan(0)
    for (const file of files) expect(existsSync(join(root, file)), file).toBe(true)
  }
})
