import { ANSWERS, bootstrap, KEY_FILE, REPOSITORY } from '../lib/bootstrap.ts'
import type { Drill } from '../lib/drill.ts'
import type { Host } from '../lib/host.ts'
import { ELSEWHERE } from '../lib/network.ts'
import { until } from '../lib/progress.ts'
import { tail } from '../lib/run.ts'

export const title = 'bad input is refused with one clear message'

const NODE = `${REPOSITORY}/node_modules/.bin/node`
const SECRETS = `${REPOSITORY}/secrets/secrets.enc.yaml`

interface Case {
  readonly name: string
  readonly says: RegExp
  readonly args?: readonly string[]
  readonly under?: readonly string[]
  /** Makes the condition; gives back what undoes it. */
  readonly arrange?: (host: Host) => Promise<() => Promise<unknown>>
}

const withAnswers =
  (text: string) =>
  async (host: Host): Promise<() => Promise<unknown>> => {
    const before = await host.read(ANSWERS)
    await host.write(ANSWERS, text, '0600')
    return () => host.write(ANSWERS, before, '0600')
  }

/** A program that stays in the background of the host until its unit is stopped. */
async function background(
  host: Host,
  unit: string,
  argv: readonly string[],
): Promise<() => Promise<unknown>> {
  await host.exec(['systemd-run', '--quiet', '--collect', `--unit=${unit}`, ...argv])
  return () => host.exec(['systemctl', 'stop', unit])
}

const cases = (drill: Drill): readonly Case[] => [
  {
    name: 'without root',
    says: /root/,
    under: ['setpriv', '--reuid=65534', '--regid=65534', '--clear-groups'],
  },
  { name: 'answers missing and no terminal', says: /domain/, args: ['--age-key-file', KEY_FILE] },
  {
    name: 'a malformed domain',
    says: /domain/,
    arrange: withAnswers(drill.answers({ domain: 'https://wa' })),
  },
  {
    name: 'an image without a digest',
    says: /images\.app[^\n]*digest/,
    arrange: withAnswers(drill.answers({ app: 'registry.drill.test:5000/whatsapp-mcp:latest' })),
  },
  { name: 'DNS elsewhere', says: /elsewhere/, arrange: withAnswers(drill.answers({ domain: ELSEWHERE })) },
  {
    name: 'port 80 taken',
    says: /port 80 is taken/,
    arrange: (host) =>
      background(host, 'drill-port', [NODE, '-e', 'require("http").createServer().listen(80)']),
  },
  {
    name: 'a tampered secrets file',
    says: /secrets\.enc\.yaml|secrets file/,
    arrange: async (host) => {
      // One character of one encrypted value.
      await host.sh(`sed -i '0,/data:\\(.\\)/s//data:+\\1/' "$1"`, [SECRETS])
      return () =>
        host.exec(['git', '-C', REPOSITORY, 'checkout', '--quiet', '--', 'secrets/secrets.enc.yaml'])
    },
  },
  {
    name: 'two runs at once',
    says: /another run/,
    arrange: async (host) => {
      // The first run waits for a key that never comes, with the lock in its hand.
      await host.exec(['mkfifo', '/run/drill-never'])
      const first = [
        `${REPOSITORY}/bootstrap/run.sh`,
        '--answers',
        ANSWERS,
        '--age-key-file',
        '/run/drill-never',
      ]
      const stop = await background(host, 'drill-first', first)
      await until('the lock', 20, async () => {
        const sockets = await host.exec(['grep', '-c', 'whatsapp-mcp-bootstrap', '/proc/net/unix'], {
          mayFail: true,
        })
        return sockets.code === 0 || undefined
      })
      return stop
    },
  },
]

export async function run(drill: Drill): Promise<void> {
  const host = await drill.anyBareHost()
  for (const { name, says, args, under, arrange } of cases(drill)) {
    const undo = await arrange?.(host)
    try {
      const result = await bootstrap(host, {
        ...(args ? { args } : {}),
        ...(under ? { under } : {}),
        limit: 120,
      })
      const said = result.stderr
      drill.expect(`${name}: refused`, result.code === 3 || result.code === 1, `exit code ${result.code}`)
      drill.expect(`${name}: the cause is named`, says.test(said), tail(said, 12))
      drill.expect(`${name}: the next command is named`, /next: |^ {4}\S/m.test(said), tail(said, 12))
      drill.expect(`${name}: no stack trace`, !/^\s+at .*:\d+:\d+/m.test(said), tail(said, 12))
    } finally {
      await undo?.()
    }
    drill.expect(`${name}: nothing half-written`, !(await host.exists('/etc/whatsapp-mcp/age.key')))
  }
}
