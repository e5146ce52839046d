import { docker, type Engine, LABEL } from './engine.ts'
import type { Images } from './images.ts'
import { common, DOMAIN, NETWORK, STAND_IN } from './network.ts'
import { until } from './progress.ts'
import type { Result, RunOptions } from './run.ts'

/** Everything but SYS_RESOURCE, for engines that cannot give all; see capabilities(7). */
const CAPABILITIES =
  `AUDIT_CONTROL AUDIT_READ AUDIT_WRITE BLOCK_SUSPEND CHOWN DAC_OVERRIDE DAC_READ_SEARCH FOWNER FSETID
  IPC_LOCK IPC_OWNER KILL LEASE LINUX_IMMUTABLE MKNOD NET_ADMIN NET_BIND_SERVICE NET_BROADCAST NET_RAW SETFCAP
  SETGID SETPCAP SETUID SYSLOG SYS_ADMIN SYS_BOOT SYS_CHROOT SYS_NICE SYS_PACCT SYS_PTRACE SYS_TIME
  SYS_TTY_CONFIG WAKE_ALARM`.split(/\s+/)

/** On cgroup v1 systemd must be told, and the hierarchies are mounted read-only, which the inner engine cannot use. */
const LEGACY_INIT = 'for d in /sys/fs/cgroup/*/; do mount -o remount,rw,bind "$d"; done; exec /sbin/init'

/** What one host fetched from the distribution, for hosts on which fetching is not what is looked at. */
export const PACKAGES = '/srv/packages'

/** A Debian machine with systemd as its first process, in a container of the outer engine. */
export class Host {
  readonly name: string
  readonly #container: string

  private constructor(name: string) {
    this.name = name
    this.#container = `${NETWORK}-${name}`
  }

  /**
   * Boots a bare host that answers to {@link DOMAIN}. Only one may be up at a time, as they share the name.
   * @param o.nameless the name still leads to the machine that played the host before; see {@link takeName}
   */
  static async boot(
    name: string,
    images: Images,
    engine: Engine,
    o: { nameless?: boolean } = {},
  ): Promise<Host> {
    const host = new Host(name)
    const volume = `${host.#container}-docker`
    const packages = `${NETWORK}-packages`
    for (const name of [volume, packages]) await docker(['volume', 'create', '--label', LABEL, name])
    const rights = engine.privileged ? ['--privileged'] : CAPABILITIES.flatMap((name) => ['--cap-add', name])
    const legacy = engine.cgroup === '1'
    const alias = o.nameless ? ['--add-host', `${DOMAIN}:${STAND_IN.address}`] : ['--network-alias', DOMAIN]
    const mode = 'systemd.unified_cgroup_hierarchy=0 SYSTEMD_CGROUP_ENABLE_LEGACY_FORCE=1'
    await docker([
      ...['run', '-d', '-t', ...common(name), ...alias, ...rights],
      ...['seccomp', 'apparmor', 'systempaths'].flatMap((kind) => ['--security-opt', `${kind}=unconfined`]),
      ...['--cgroupns=private', '--tmpfs', '/run:exec', '--tmpfs', '/tmp:exec', '-e', 'container=docker'],
      // Overlay does not nest on overlay: the inner engine's layers live on a volume.
      ...['--stop-signal', 'SIGRTMIN+3', '-v', `${volume}:/var/lib/docker`],
      ...['-v', `${packages}:${PACKAGES}`],
      ...(legacy ? ['-e', `SYSTEMD_PROC_CMDLINE=${mode}`] : []),
      images.host,
      ...(legacy ? ['sh', '-c', LEGACY_INIT] : []),
    ])
    await host.booted()
    return host
  }

  /** Runs a program on the host, as an operator's root shell would. */
  exec(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
    const shell = ['-e', 'HOME=/root', '-e', 'TERM=dumb', '-w', '/root']
    return docker(['exec', '-i', ...shell, this.#container, ...argv], options)
  }

  /** Runs a fixed script; anything that varies is passed as an argument, never pasted into it. */
  sh(script: string, args: readonly string[] = [], options: RunOptions = {}): Promise<Result> {
    return this.exec(['sh', '-euc', script, 'sh', ...args], options)
  }

  /** Writes a file; through a pipe, since `docker cp` cannot reach a tmpfs. */
  async write(path: string, content: string | Buffer, mode = '0644'): Promise<void> {
    const script = 'umask 077; mkdir -p "$(dirname "$1")"; cat > "$1"; chmod "$2" "$1"'
    await this.sh(script, [path, mode], { input: content })
  }

  async read(path: string): Promise<string> {
    return (await this.exec(['cat', path])).stdout
  }

  async exists(path: string): Promise<boolean> {
    return (await this.exec(['test', '-e', path], { mayFail: true })).code === 0
  }

  /** Trusts these authorities from now on, as a company's machines trust its own. */
  async trust(authorities: readonly string[]): Promise<void> {
    for (const [index, text] of authorities.entries()) {
      await this.write(`/usr/local/share/ca-certificates/drill-${index}.crt`, text)
    }
    await this.exec(['update-ca-certificates'])
  }

  /** Waits until systemd has settled. @returns its verdict: `running` or `degraded` */
  async booted(): Promise<string> {
    return until(`boot of ${this.name}`, 90, async () => {
      const state = await this.exec(['systemctl', 'is-system-running', '--wait'], { mayFail: true })
      return /^(running|degraded)/.exec(state.stdout)?.[1]
    })
  }

  /** Shuts down in order and starts again: /run and /tmp are empty afterwards. @returns when PID 1 started */
  async reboot(): Promise<number> {
    await docker(['restart', '-t', '60', this.#container])
    const state = await docker(['inspect', '--format', '{{.State.StartedAt}}', this.#container])
    return Date.parse(state.stdout.trim())
  }

  async address(): Promise<string> {
    const format = '{{range .NetworkSettings.Networks}}{{.IPAddress}}{{end}}'
    return (await docker(['inspect', '--format', format, this.#container])).stdout.trim()
  }

  /** The change of DNS: from now on the name leads here. */
  async takeName(): Promise<void> {
    const address = await this.address()
    await docker(['network', 'disconnect', NETWORK, this.#container])
    await docker(['network', 'connect', '--alias', DOMAIN, '--ip', address, NETWORK, this.#container])
    // In place, since the file is mounted.
    await this.sh('grep -v "$1" /etc/hosts > /run/hosts; cat /run/hosts > /etc/hosts', [DOMAIN])
  }

  /** Takes the host off the network, so that another may have its name; it can still be looked at. */
  async retire(): Promise<void> {
    await docker(['stop', '-t', '60', this.#container])
  }

  async remove(): Promise<void> {
    await docker(['rm', '-f', '-v', this.#container])
    await docker(['volume', 'rm', '-f', `${this.#container}-docker`])
  }
}
