/** Takes the stack off this host again; the data only when asked to twice. */
import { command, printJson, runCommand, tell } from './lib/cli.ts'
import { Fail, Refused } from './lib/fail.ts'
import { takeLock } from './lib/lock.ts'
import { askText, askYesNo, isInteractive, readStdin } from './lib/prompt.ts'
import { ROOT } from './lib/stack.ts'
import { DATA, MADE } from './uninstall/all.ts'
import { domainInAnswers } from './uninstall/domain.ts'
import type { Trace } from './uninstall/trace.ts'

interface Found {
  readonly trace: Trace
  readonly what: string
}

async function look(traces: readonly Trace[]): Promise<Found[]> {
  const found = await Promise.all(traces.map(async (trace) => ({ trace, what: await trace.inspect() })))
  return found.flatMap(({ trace, what }) => (what === undefined ? [] : [{ trace, what }]))
}

function show(title: string, found: readonly Found[]): void {
  if (found.length === 0) return
  tell(title)
  for (const { trace, what } of found) tell(`  ${trace.title}: ${what}`)
}

/** @throws {Refused} unless somebody agreed, and for the data has written the name of the host */
async function confirm(withData: boolean, yes: boolean): Promise<void> {
  if (!yes) {
    if (!isInteractive())
      throw new Refused('nobody is there to ask', { next: 'say yes beforehand with --yes' })
    if (!(await askYesNo('Remove this?', 'Say yes beforehand with --yes.'))) throw stopped()
  }
  if (!withData) return
  const domain = await domainInAnswers()
  // Without answers there is no name to write, and --with-data was said.
  if (domain === undefined) return
  const written = isInteractive()
    ? await askText(`The data goes for good. To agree, write ${domain}`, 'Give the name on standard input.')
    : await readStdin()
  if (written.trim() !== domain)
    throw new Refused('that is not the name of this host', {
      next: `leave --with-data out, or give the name on standard input: echo ${domain} | npx zx scripts/uninstall.ts --with-data --yes`,
    })
}

function stopped(): Refused {
  return new Refused('stopped at the prompt', { next: 'npx zx scripts/doctor.ts' })
}

async function remove(found: readonly Found[]): Promise<void> {
  for (const { trace } of found) {
    tell(`removing ${trace.title}`)
    await trace.remove()
    const left = await trace.inspect()
    if (left !== undefined)
      throw new Fail(`${trace.title}: still there: ${left}`, { next: 'run the same command again' })
  }
}

await runCommand(
  'scripts/uninstall.ts',
  command({
    usage: '[--with-data] [--yes] [--json]',
    summary: `Takes the stack off this host: units, containers, settings, decrypted secrets. The data stays, and a bootstrap after
it brings the very stack back.`,
    details: `  --with-data   the data as well: database, media, backups, audit log, certificates, answers, age key. Asks for
                the name of the host; without a terminal that is read from standard input
  --yes         do not ask whether to begin
  --json        print what was removed, and what stays, as JSON on standard output

Packages stay, and so do the firewall with its rule for ssh and this repository.
Exit codes: 0 removed or nothing was there, 1 failed (run it again), 2 wrong usage, 3 refused before anything was changed.`,
    options: { 'with-data': { type: 'boolean' }, yes: { type: 'boolean' }, json: { type: 'boolean' } },
    async run(o) {
      if (process.getuid?.() !== 0)
        throw new Refused('only root can remove it', { next: 'sudo npx zx scripts/uninstall.ts' })
      const lock = await takeLock()
      try {
        const [made, data] = await Promise.all([look(MADE), look(DATA)])
        const going = o['with-data'] ? [...made, ...data] : made
        const staying = o['with-data'] ? [] : data
        if (going.length > 0) {
          show('To remove:', going)
          show('To stay:', staying)
          await confirm(o['with-data'] === true, o.yes === true)
          await remove(going)
        }
        tell(going.length === 0 ? 'nothing is there to remove' : 'removed')
        if (o['with-data']) tell(`  what is left: packages, the firewall, and this: rm -r ${ROOT}`)
        else if (staying.length > 0) tell('  bring it back: ./bootstrap/run.sh')
        const names = (found: readonly Found[]) =>
          found.map(({ trace, what }) => ({ title: trace.title, what }))
        if (o.json) printJson({ removed: names(going), stays: names(staying) })
        return 0
      } finally {
        await lock.release()
      }
    },
  }),
)
