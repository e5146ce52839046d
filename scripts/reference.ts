/** `npm run reference`: writes docs/reference from the code. For developers: it needs the packages a host does without. */
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { scriptArguments } from './lib/entry.ts'
import { codePages } from './reference/code.ts'
import { staleFiles, writeFiles } from './reference/files.ts'
import { pages } from './reference/pages.ts'

const USAGE = `Usage: npm run reference [-- --check]

Writes docs/reference, which is generated from the code and never edited.

  --check   change nothing; name the files that are stale
  --help    this text

Exit codes: 0 done or fresh, 1 stale or failed.`

const { values } = parseArgs({
  args: scriptArguments(),
  options: { check: { type: 'boolean' }, help: { type: 'boolean', short: 'h' } },
})
if (values.help) process.stdout.write(`${USAGE}\n`)
else {
  const directory = join(import.meta.dirname, '../docs/reference')
  const files = new Map([...(await pages()), ...(await codePages())])
  const stale = await staleFiles(directory, files)
  if (!values.check) await writeFiles(directory, files, stale)
  for (const path of stale)
    process.stdout.write(`${values.check ? 'stale' : 'written'}  docs/reference/${path}\n`)
  if (values.check && stale.length > 0) {
    process.stderr.write('Run npm run reference and commit what it writes.\n')
    process.exitCode = 1
  }
}
