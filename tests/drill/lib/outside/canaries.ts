import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Drill } from '../drill.ts'
import type { Host } from '../host.ts'

const SCRIPT = join(import.meta.dirname, '..', '..', 'probes', 'canaries.sh')
const PATTERNS = '/run/drill-patterns'
/** Planted, to see that the search finds what is there. */
const PLANTED = '/var/tmp/drill-planted'
const KEY = '/etc/whatsapp-mcp/age.key'

/**
 * Looks for every secret on the whole disk, in the journal, in Docker's own data and in all processes.
 * @param given.token an API key that was minted on this host
 * @param given.bootstrapOutput all that the bootstrap printed
 * @param given.also further secrets, such as replaced ones
 */
export async function searchCanaries(
  drill: Drill,
  host: Host,
  given: { readonly token: string; readonly bootstrapOutput: string; readonly also?: readonly string[] },
): Promise<void> {
  const { hostKey, recoveryKey, canaries } = drill.world.material
  const decrypted = await host.sh(
    'find /run/whatsapp-mcp/secrets -type f -exec sh -c \'cat "$1"; echo\' sh {} \\;',
  )
  const values = decrypted.stdout.split('\n').filter(Boolean)
  const known = Object.values(canaries)
  if (given.also === undefined) {
    drill.expect(
      'the secrets in memory include the planted ones',
      known.every((value) => values.includes(value)),
    )
  }
  const marker = `planted-${Date.now()}-${Math.random().toString(36).slice(2)}`
  const secrets = [
    ...new Set([...values, ...known, hostKey, recoveryKey, given.token, ...(given.also ?? [])]),
  ]

  const shown = secrets.filter((secret) => given.bootstrapOutput.includes(secret))
  drill.expect('the bootstrap printed none', shown.length === 0, `${shown.length} secrets`)

  await host.write(PATTERNS, [...secrets, marker, ''].join('\n'), '0400')
  await host.write(PLANTED, marker)
  const { stdout } = await host.exec(['sh', '-s', PATTERNS], { input: await readFile(SCRIPT), limit: 300 })
  await host.exec(['rm', PATTERNS, PLANTED])
  const places = stdout.split('\n').filter(Boolean)
  drill.expect('the search finds what was planted', places.includes(`file ${PLANTED}`))
  drill.expect('the age key is in its file', places.includes(`file ${KEY}`))
  // The official entry point of postgres exports the password it was given as a file; its own user alone can read that.
  const expected = new Set([`file ${KEY}`, `file ${PLANTED}`, 'environ postgres'])
  const elsewhere = places.filter((place) => !expected.has(place))
  drill.expect('no secret is anywhere else', elsewhere.length === 0, elsewhere.join('\n'))
}
