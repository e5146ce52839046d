import { randomUUID } from 'node:crypto'
import { lookup, resolve4, resolve6 } from 'node:dns/promises'
import { stat, statfs } from 'node:fs/promises'
import { createServer, type Server } from 'node:http'
import { networkInterfaces, totalmem } from 'node:os'
import { isCurrent, lineage, readCertificate } from '../../scripts/lib/certificate.ts'
import { messageOf } from '../../scripts/lib/fail.ts'
import { recipientsOfFile } from '../../secrets/file.ts'
import { readRecipients } from '../../secrets/recipients.ts'
import type { Context } from './context.ts'
import { proxyRuns, proxyStarts } from './proxy.ts'
import { hasSshd, holders, settingsOfOthers } from './sshd-settings.ts'

/** Something that would make the run fail later: what was found, and the remedy. */
export interface Finding {
  problem: string
  remedy: string
}

type Check = (context: Context) => Promise<Finding | undefined>

const MIN_MEMORY = 900e6
const MIN_DISK = 3e9
const MAX_CLOCK_SKEW_SECONDS = 120

/** Looks at everything that can be known in advance, changes nothing, and returns all findings at once. */
export async function preflight(context: Context, o = { answered: true }): Promise<Finding[]> {
  const checks =
    context.mode === 'local' ? [architecture] : [...HOST_CHECKS, ...(o.answered ? ANSWERED_CHECKS : [])]
  const found = await Promise.all(checks.map((check) => check(context)))
  return found.filter((finding) => finding !== undefined)
}

const system: Check = async () => {
  const [apt, systemd] = await Promise.all([exists('/usr/bin/apt-get'), exists('/run/systemd/system')])
  if (apt && systemd) return undefined
  return {
    problem: `this host has ${apt ? 'no running systemd' : 'no apt-get'}`,
    remedy: 'use Debian 12 or 13, or Ubuntu 22.04, 24.04 or 26.04, booted with systemd',
  }
}

const architecture: Check = async () =>
  ['x64', 'arm64'].includes(process.arch)
    ? undefined
    : {
        problem: `the processor architecture ${process.arch} is not supported`,
        remedy: 'use an x64 or arm64 machine',
      }

const root: Check = async () =>
  process.getuid?.() === 0
    ? undefined
    : {
        problem: 'a host can only be set up by root',
        remedy: 'run the same command with sudo, or try --local without root',
      }

const location: Check = async ({ root: path }) => {
  const owner = await stat(path)
  if (/^\/(home|root|tmp|var\/tmp|run)(\/|$)/.test(path)) {
    return {
      problem: `the repository is at ${path}, which the units cannot read or a reboot may empty`,
      remedy: `mv ${path} /opt/whatsapp-mcp && cd /opt/whatsapp-mcp`,
    }
  }
  return owner.uid === 0
    ? undefined
    : {
        problem: `${path} does not belong to root, who will run what it holds`,
        remedy: `chown -R root:root ${path}`,
      }
}

const memory: Check = async () =>
  totalmem() >= MIN_MEMORY
    ? undefined
    : {
        problem: `only ${Math.round(totalmem() / 1e6)} MB of memory`,
        remedy: 'use a machine with 1 GB or more',
      }

const disk: Check = async () => {
  const { bavail, bsize } = await statfs('/var/lib')
  const free = bavail * bsize
  return free >= MIN_DISK
    ? undefined
    : {
        problem: `only ${(free / 1e9).toFixed(1)} GB free below /var/lib`,
        remedy: 'free 3 GB there: apt-get clean, journalctl --vacuum-size=100M',
      }
}

const ports: Check = async ({ shell }) => {
  if (await proxyRuns(shell)) return undefined
  const taken = (
    await Promise.all([80, 443].map(async (port) => ((await canListen(port)) ? [] : [port])))
  ).flat()
  if (taken.length === 0) return undefined
  const holders = await shell({
    allowFailure: true,
  })`ss -Hltnp ${`( sport = :${taken.join(' or sport = :')} )`}`
  const names = [
    ...new Set([...holders.stdout.matchAll(/\("([^"]+)",pid=(\d+)/g)].map((m) => `${m[1]} (pid ${m[2]})`)),
  ]
  const isDocker = names.length > 0 && names.every((name) => /^docker(d|-proxy) /.test(name))
  if (isDocker && (await proxyStarts(shell))) return undefined
  return {
    problem: `port ${taken.join(' and ')} is taken${names.length > 0 ? ` by ${names.join(', ')}` : ''}`,
    remedy: 'stop that program for good, such as: systemctl disable --now apache2 nginx',
  }
}

const clock: Check = async ({ answers }) => {
  const url = answers.acme_server
  try {
    const response = await fetch(url, { method: 'HEAD', signal: AbortSignal.timeout(10_000) })
    const skew =
      Math.abs(Date.now() - Date.parse(response.headers.get('date') ?? new Date().toUTCString())) / 1000
    if (skew <= MAX_CLOCK_SKEW_SECONDS) return undefined
    return {
      problem: `the clock is off by ${Math.round(skew)} s`,
      remedy: 'timedatectl set-ntp true, then wait a minute',
    }
  } catch (error) {
    const cause = (error as Error).cause
    return {
      problem: `the certificate authority at ${new URL(url).host} cannot be reached (${messageOf(cause ?? error)})`,
      remedy: `check the network and the clock: date; curl -I ${url}`,
    }
  }
}

const calendar: Check = async ({ answers: { backup_calendar: text }, shell }) => {
  if (text === undefined) return undefined
  const result = await shell({ allowFailure: true })`systemd-analyze calendar ${text}`
  if (result.exitCode === 0) return undefined
  return {
    problem: `backup_calendar: systemd does not understand ${JSON.stringify(text)}`,
    remedy: 'write it like "*-*-* 0/6:00:00 UTC", and try it: systemd-analyze calendar "…"',
  }
}

const ssh: Check = async ({ answers, recovering, shell }) => {
  // The answers came with the backup, and administrators come later: until then root is not kept out.
  if (answers.ssh !== 'strict' || recovering || !(await hasSshd(shell))) return undefined
  if ((await holders(shell, await settingsOfOthers(shell))).administrator) return undefined
  return {
    problem: 'ssh: strict keeps root out, and nobody else who may become root has a key here',
    remedy: 'adduser NAME sudo, then ssh-copy-id NAME@ this host; or answer ssh: keys',
  }
}

const dns: Check = async ({ answers: { domain }, recovering }) => {
  // A host that takes over is proved before DNS leads to it; the certificate came with the backup.
  if (recovering && (await holdsCertificate(domain))) return undefined
  const [v4, v6] = await Promise.all([
    resolve4(domain).catch(() => hostsFile(domain)),
    resolve6(domain).catch(() => []),
  ])
  if (v4.length === 0)
    return { problem: `${domain} has no A record`, remedy: 'create one with the address of this host' }
  if (v6.length > 0) {
    return {
      problem: `${domain} has an AAAA record, but this stack answers on IPv4 only`,
      remedy: 'remove the AAAA record',
    }
  }
  const own = Object.values(networkInterfaces()).flatMap((list) => list?.map(({ address }) => address) ?? [])
  if (v4.some((address) => own.includes(address)) || (await reachesUs(domain))) return undefined
  return {
    problem: `${domain} points to ${v4.join(', ')}, which does not lead to this host (${own.filter((a) => a !== '127.0.0.1' && !a.includes(':')).join(', ')})`,
    remedy: 'point the A record here and wait for its old time to live to pass',
  }
}

async function holdsCertificate(domain: string): Promise<boolean> {
  const certificate = await readCertificate(`${lineage(domain)}/fullchain.pem`)
  return certificate?.checkHost(domain) !== undefined && isCurrent(certificate)
}

const secretsFile: Check = async ({ paths }) => {
  try {
    const [roles, inFile] = await Promise.all([
      readRecipients(paths.sopsYaml),
      recipientsOfFile(paths.secretsFile),
    ])
    const missing = roles.filter(({ recipient }) => !inFile.includes(recipient))
    if (missing.length === 0) return undefined
    return {
      problem: `${paths.secretsFile} is not encrypted to every recipient of .sops.yaml (missing: ${missing.map((r) => r.role).join(', ')})`,
      remedy:
        'on a machine that holds a key: npx zx scripts/secrets.ts recipients apply, then commit and pull',
    }
  } catch (error) {
    return { problem: messageOf(error), remedy: 'then run the same command again' }
  }
}

const HOST_CHECKS: readonly Check[] = [system, architecture, root, location, memory, disk, ports, secretsFile]

/** These need the answers: which domain, which certificate authority, when backups are made, how strict sshd is. */
const ANSWERED_CHECKS: readonly Check[] = [clock, dns, calendar, ssh]

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  )
}

async function hostsFile(domain: string): Promise<string[]> {
  return lookup(domain, { family: 4, all: true }).then(
    (list) => list.map(({ address }) => address),
    () => [],
  )
}

function canListen(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const server: Server = createServer()
    server.once('error', (error: NodeJS.ErrnoException) => resolve(error.code !== 'EADDRINUSE'))
    server.listen(port, '0.0.0.0', () => server.close(() => resolve(true)))
  })
}

/** Behind address translation the record names an address this host does not know: ask ourselves through it. */
async function reachesUs(domain: string): Promise<boolean> {
  const nonce = randomUUID()
  const server = createServer((_, response) => response.end(nonce))
  const listening = await new Promise<boolean>((resolve) => {
    server.once('error', () => resolve(false))
    server.listen(80, '0.0.0.0', () => resolve(true))
  })
  // With the stack up, nginx holds the port and answers for its own name only.
  const path = listening ? '/' : '/livez'
  try {
    const response = await fetch(`http://${domain}${path}`, {
      signal: AbortSignal.timeout(5000),
      redirect: 'manual',
    })
    return listening ? (await response.text()) === nonce : response.status === 301
  } catch {
    return false
  } finally {
    if (listening) server.close()
  }
}
