/** What the kernel lets programs and packets do. */
import { readFile } from 'node:fs/promises'
import type { Context } from './context.ts'
import { files } from './files.ts'
import type { Resource } from './resource.ts'

/** Of several files the last one wins. */
const SYSCTL_FILE = '/etc/sysctl.d/99-whatsapp-mcp.conf'

/** Protocols nobody here speaks, and holes were found in. */
const RARE = ['dccp', 'rds', 'sctp', 'tipc']
const MODULES = `# Written by the bootstrap.\n${RARE.map((name) => `install ${name} /bin/false\n`).join('')}`

/** Of this host alone, also where it is a container. */
const NETWORK: Readonly<Record<string, string>> = {
  ...each('accept_redirects', '0', 'ipv4', 'ipv6'),
  ...each('accept_source_route', '0', 'ipv4', 'ipv6'),
  ...each('send_redirects', '0', 'ipv4'),
  // Loosely: the networks of Docker make ways back that differ from the way in.
  ...each('rp_filter', '2', 'ipv4'),
  'net.ipv4.tcp_syncookies': '1',
}

/** Of the whole machine. */
const MACHINE: Readonly<Record<string, string>> = {
  'dev.tty.ldisc_autoload': '0',
  'kernel.dmesg_restrict': '1',
  'kernel.kptr_restrict': '2',
  'kernel.unprivileged_bpf_disabled': '1',
  'net.core.bpf_jit_harden': '2',
  'fs.protected_fifos': '2',
  'fs.protected_hardlinks': '1',
  'fs.protected_regular': '2',
  'fs.protected_symlinks': '1',
  'fs.suid_dumpable': '0',
}

function each(name: string, value: string, ...families: readonly string[]): Record<string, string> {
  return Object.fromEntries(
    families.flatMap((family) =>
      ['all', 'default'].map((who) => [`net.${family}.conf.${who}.${name}`, value]),
    ),
  )
}

/** The kernel's settings, and modules that are never loaded. In a container only what belongs to its own network. */
export function kernel({ shell }: Context): Resource {
  const wanted = async () => {
    const container = await shell({ allowFailure: true })`systemd-detect-virt --container --quiet`
    return container.exitCode === 0 ? NETWORK : { ...NETWORK, ...MACHINE }
  }
  const file = files('kernel settings', async () => [
    { path: SYSCTL_FILE, text: sysctlText(await wanted()), mode: 0o644 },
    { path: '/etc/modprobe.d/whatsapp-mcp.conf', text: MODULES, mode: 0o644 },
  ])
  return {
    title: file.title,
    async inspect() {
      return (await file.inspect()) ?? (await firstDifference(await wanted()))
    },
    async apply() {
      await file.apply()
      await shell()`/usr/lib/systemd/systemd-sysctl ${SYSCTL_FILE}`
    },
  }
}

/** A kernel without IPv6, say, has fewer settings: the dash lets systemd go on. */
export function sysctlText(settings: Readonly<Record<string, string>>): string {
  const lines = Object.entries(settings).map(([name, value]) => `-${name} = ${value}\n`)
  return `# Written by the bootstrap.\n${lines.join('')}`
}

async function firstDifference(settings: Readonly<Record<string, string>>): Promise<string | undefined> {
  for (const [name, value] of Object.entries(settings)) {
    const found = await readFile(`/proc/sys/${name.replaceAll('.', '/')}`, 'utf8').catch(() => undefined)
    if (found !== undefined && found.trim() !== value) return `${name} is ${found.trim()}, not ${value}`
  }
  return undefined
}
