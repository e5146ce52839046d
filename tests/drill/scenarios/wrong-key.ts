import { bootstrap } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'

export const title = 'a wrong age key is refused and nothing is written'

const ALPHABET = 'QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L'
const GROUP = 4
const PREFIX = 'AGE-SECRET-KEY-1'

/** The same key with one character of its body replaced. */
function mistype(key: string, position: number): string {
  const at = PREFIX.length + position
  const wrong = ALPHABET[(ALPHABET.indexOf(key[at] ?? '') + 1) % ALPHABET.length]
  return key.slice(0, at) + wrong + key.slice(at + 1)
}

export async function run(drill: Drill): Promise<void> {
  const { hostKey, recoveryKey, foreignKey } = drill.world.material
  const host = await drill.anyBareHost()
  const position = 21
  const group = Math.floor(position / GROUP) + 1
  const cases = [
    {
      name: 'a mistyped key',
      key: mistype(hostKey, position),
      says: new RegExp(`group[^\\n]*\\b${group}\\b`, 'i'),
    },
    { name: 'a foreign key', key: foreignKey, says: /neither file knows/ },
    { name: 'the recovery key', key: recoveryKey, says: /recovery/i },
  ]
  for (const { name, key, says } of cases) {
    await drill.giveKey(host, key)
    const result = await bootstrap(host)
    const said = result.stdout + result.stderr
    drill.expect(`${name} is refused`, result.code === 3 || result.code === 1, `exit code ${result.code}`)
    drill.expect(`${name}: the reason is named`, says.test(said), said.slice(-800))
    const there = ['/etc/whatsapp-mcp', '/run/whatsapp-mcp/secrets', '/usr/bin/docker']
    const written: string[] = []
    for (const path of there) if (await host.exists(path)) written.push(path)
    drill.expect(`${name}: nothing is written`, written.length === 0, written.join(' '))
    const bodies = [key, hostKey].map((text) => text.slice(PREFIX.length))
    const logs = await host.sh('cat /var/log/whatsapp-mcp/* 2>/dev/null || true')
    const shown = bodies.some((body) => (said + logs.stdout).includes(body))
    drill.expect(`${name}: it is in no output and no log`, !shown)
  }
  await drill.giveKey(host)
}
