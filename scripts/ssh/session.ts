import { readFile } from 'node:fs/promises'

/** Of Linux, on every architecture we run on. */
const TICKS_PER_SECOND = 100

/** When the ssh session began that this process belongs to; `undefined` outside of one. */
export async function sessionStart(): Promise<Date | undefined> {
  // Not from the environment: sudo empties it, and tmux keeps that of its first session.
  for (let pid = process.ppid; pid > 1; ) {
    const { name, parent, started } = parseStat(await readFile(`/proc/${pid}/stat`, 'utf8'))
    if (name.startsWith('sshd')) return new Date(Date.now() - (await uptime()) * 1000 + started * 1000)
    pid = parent
  }
  return undefined
}

/** Of proc_pid_stat(5). @returns `started` in seconds after the boot */
export function parseStat(text: string): { name: string; parent: number; started: number } {
  const [, name = '', rest = ''] = /^\d+ \((.*)\) (.*)$/s.exec(text) ?? []
  const fields = rest.split(' ')
  return { name, parent: Number(fields[1]), started: Number(fields[19]) / TICKS_PER_SECOND }
}

async function uptime(): Promise<number> {
  return Number((await readFile('/proc/uptime', 'utf8')).split(' ')[0])
}
