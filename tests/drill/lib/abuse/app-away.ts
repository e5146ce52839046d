import * as z from 'zod'
import type { Host } from '../host.ts'

const EDGE = 'whatsapp-mcp_edge'
const networks = z.record(z.string(), z.looseObject({ Aliases: z.array(z.string()).nullable() }))

/** Does `work` while nginx has no way to the app; afterwards it has the way it had. */
export async function withAppAway(host: Host, work: () => Promise<void>): Promise<void> {
  const names = ['docker', 'ps', '--filter', 'name=^whatsapp-mcp-app', '--format', '{{.Names}}']
  const apps = await Promise.all(
    (await host.exec(names)).stdout
      .split('\n')
      .filter(Boolean)
      .map(async (name) => {
        const format = '{{json .NetworkSettings.Networks}}'
        const said = await host.exec(['docker', 'inspect', '--format', format, name])
        return { name, aliases: networks.parse(JSON.parse(said.stdout))[EDGE]?.Aliases ?? [] }
      }),
  )
  for (const { name } of apps) await host.exec(['docker', 'network', 'disconnect', EDGE, name])
  try {
    await work()
  } finally {
    for (const { name, aliases } of apps) {
      const known = aliases.flatMap((alias) => ['--alias', alias])
      await host.exec(['docker', 'network', 'connect', ...known, EDGE, name])
    }
  }
}
