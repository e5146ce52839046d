import type { Context } from './context.ts'
import type { Resource } from './resource.ts'

/**
 * Nothing comes in but SSH, HTTP and HTTPS. Ports published by Docker bypass ufw by design, so the compose file
 * publishes 80 and 443 only; this closes everything else that may listen on the host.
 */
export function firewall({ shell }: Context): Resource {
  const wanted = async () => [...(await sshPorts(shell)), 80, 443].map((port) => `${port}/tcp`)
  return {
    title: 'firewall',
    async inspect() {
      const status = await shell({ allowFailure: true })`ufw status verbose`
      if (status.exitCode !== 0) return 'ufw is not installed'
      if (!/^Status: active$/m.test(status.stdout)) return 'ufw is not active'
      if (!/^Default: deny \(incoming\)/m.test(status.stdout))
        return 'incoming connections are not denied by default'
      const missing = (await wanted()).filter(
        (port) => !new RegExp(`^${port}\\s+(ALLOW|LIMIT) IN\\s+Anywhere *$`, 'm').test(status.stdout),
      )
      return missing.length === 0 ? undefined : `closed: ${missing.join(', ')}`
    },
    async apply() {
      await shell()`ufw default deny incoming`
      await shell()`ufw default allow outgoing`
      for (const port of await wanted()) await shell()`ufw allow ${port}`
      await shell()`ufw --force enable`
    },
  }
}

/** The ports sshd really listens on, and the one this session came through: nobody is locked out. */
async function sshPorts(shell: Context['shell']): Promise<number[]> {
  const settings = await shell({ allowFailure: true })`sshd -T`
  const configured = [...settings.stdout.matchAll(/^port (\d+)$/gm)].map((m) => Number(m[1]))
  const session = Number(process.env.SSH_CONNECTION?.split(' ')[3])
  const ports = new Set(configured.length > 0 ? configured : [22])
  if (Number.isInteger(session) && session > 0) ports.add(session)
  return [...ports]
}
