import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { backupsEnded } from '../lib/loss.ts'
import { tail } from '../lib/run.ts'
import { smoke } from '../lib/smoke.ts'
import { standInFor } from '../lib/stand-in.ts'
import { backUp, customerWrites, isThere, recordOf, removeKept, script } from './restore.ts'

export const title = 'a damaged backup is noticed, and the one before is taken'

const SETS = '/var/lib/whatsapp-mcp/backups/sets'

/** Ways in which a disk or a hand spoils a file; each gets the set's directory. */
const DAMAGE = {
  'one bit of the dump':
    'f=$1/database.dump; at=$(($(stat -c %s "$f") / 2)); b=$(od -An -tu1 -j $at -N 1 "$f"); printf "$(printf "\\\\%03o" $((b ^ 1)))" | dd of="$f" bs=1 seek=$at conv=notrunc status=none',
  'the end of the dump': 'truncate -s -1 "$1/database.dump"',
  'a number in the manifest': 'sed -i "s/\\"rows\\": /\\"rows\\": 1/" "$1/manifest.json"',
} as const

export async function run(drill: Drill): Promise<void> {
  const { host } = await drill.undisturbed()
  const standIn = await standInFor(drill, host)
  await backupsEnded(host)
  const kept = await customerWrites(drill, host, standIn)
  const good = await backUp(host)
  const lost = await customerWrites(drill, host, standIn)
  const proof = await script(host, 'backups.ts', 'verify', '--restore', '--json')
  drill.expect('the newest set is proved by restoring it', proof.code === 0, tail(proof.stderr, 20))
  drill.expect('and listed as proved', await isListed(host, good, 'proved'))
  for (const [what, how] of Object.entries(DAMAGE)) await notices(drill, host, what, how)

  const newest = await backUp(host)
  await host.sh(DAMAGE['one bit of the dump'], [`${SETS}/${newest}`])
  const named = await script(host, 'restore-db.ts', newest, '--yes')
  drill.expect(
    'asked for by name, the damaged set fails',
    named.code === 1,
    `exit code ${named.code}\n${named.stderr}`,
  )
  drill.expect('and the live database is what it was', await isThere(host, lost))
  const run = await script(host, 'restore-db.ts', '--yes', '--json')
  const { result } = recordOf(run)
  drill.expect(
    'otherwise the one before is taken',
    run.code === 0 && result?.set === good,
    tail(run.stderr, 30),
  )
  drill.expect('and this is said loudly', /DAMAGED.*SHA-256/.test(run.stderr), tail(run.stderr, 30))
  drill.expect('and in the record', result?.fell_back_from?.join() === newest, JSON.stringify(result))
  drill.expect('what was backed up is there', await isThere(host, kept))
  await removeKept(host)
  await host.exec(['rm', '-r', `${SETS}/${newest}`])
  await smoke(drill, host)
}

/** Damages a set of its own, asks for a verdict, and takes it away. */
async function notices(drill: Drill, host: Host, what: string, how: string): Promise<void> {
  const set = await backUp(host)
  await host.sh(how, [`${SETS}/${set}`])
  const verdict = await script(host, 'backups.ts', 'verify')
  drill.expect(`${what}: verify says so`, verdict.code === 1, `exit code ${verdict.code}\n${verdict.stderr}`)
  drill.expect(
    `${what}: and names the next command`,
    /next: /.test(verdict.stderr) || /signed/.test(verdict.stderr),
    verdict.stderr,
  )
  const proof = await script(host, 'backups.ts', 'verify', '--restore')
  drill.expect(
    `${what}: the weekly proof fails`,
    proof.code === 1,
    `exit code ${proof.code}\n${proof.stderr}`,
  )
  await host.exec(['rm', '-r', `${SETS}/${set}`])
}

async function isListed(host: Host, set: string, state: string): Promise<boolean> {
  const { stdout } = await script(host, 'backups.ts', 'list')
  return stdout.split('\n').some((line) => line.startsWith(set) && line.endsWith(state))
}
