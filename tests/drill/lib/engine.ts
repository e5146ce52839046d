import { spawn } from 'node:child_process'
import { openSync } from 'node:fs'
import { mkdtemp, readFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { say, until } from './progress.ts'
import { type Result, type RunOptions, run, tail } from './run.ts'

/** Several drills may run on one machine, each under a number of its own: $DRILL_NUMBER, 0 to 9. */
export const NUMBER = Number(process.env.DRILL_NUMBER ?? 0)

const LABEL_NAME = 'org.whatsapp-mcp.drill'

/** Marks everything this drill makes, so that it can be found and removed. */
export const LABEL = `${LABEL_NAME}=${NUMBER}`

/** Marks images, which all drills of the machine share. */
export const IMAGE_LABEL = `${LABEL_NAME}.image=1`

export interface Engine {
  /** Version of the daemon. */
  readonly version: string
  readonly cgroup: '1' | '2'
  /** Whether `--privileged` works; inside some sandboxes a capability is missing from the bounding set. */
  readonly privileged: boolean
  /** Environment under which `docker build` works here. */
  readonly buildEnv: Readonly<Record<string, string>>
  /** Stops the daemon when the drill started it. */
  stop(): Promise<void>
}

export function docker(argv: readonly string[], options: RunOptions = {}): Promise<Result> {
  return run(['docker', ...argv], options)
}

async function answers(): Promise<boolean> {
  return (await run(['docker', 'info'], { mayFail: true, limit: 10 })).code === 0
}

async function install(): Promise<void> {
  const wanted = [
    // A machine may have the client alone.
    ['dockerd', 'docker.io'],
    ['mmdebstrap', 'mmdebstrap'],
    ['openssl', 'openssl'],
    ['ssh-keygen', 'openssh-client'],
    ['git', 'git'],
    // For the tests that need them.
    ['age', 'age'],
    ['rclone', 'rclone'],
    ['ssh-keygen', 'openssh-client'],
    // Ubuntu does not bring the keys Debian signs with.
    ['/usr/share/keyrings/debian-archive-keyring.gpg', 'debian-archive-keyring'],
  ] as const
  const there = 'command -v "$1" || test -e "$1"'
  const found = await Promise.all(
    wanted.map(([what]) => run(['sh', '-c', there, 'sh', what], { mayFail: true })),
  )
  const missing = wanted.filter((_, index) => found[index]?.code !== 0).map(([, name]) => name)
  if (missing.length === 0) return
  say(`installing ${missing.join(', ')}`)
  const env = { DEBIAN_FRONTEND: 'noninteractive' }
  await run(['apt-get', 'update', '-q'], { limit: 180, env })
  await run(['apt-get', 'install', '-yq', '--no-install-recommends', ...missing], { limit: 600, env })
}

/** Starts the daemon where no init does it: own session, log file, pid known. */
async function start(): Promise<() => Promise<void>> {
  const directory = await mkdtemp(join(tmpdir(), 'drill-docker-'))
  const log = join(directory, 'dockerd.log')
  const sink = openSync(log, 'a', 0o600)
  const child = spawn('dockerd', ['--pidfile', join(directory, 'dockerd.pid')], {
    detached: true,
    stdio: ['ignore', sink, sink],
  })
  const { pid } = child
  let exited = false
  child.on('exit', () => {
    exited = true
  })
  child.on('error', () => {
    exited = true
  })
  child.unref()
  const up = until('docker engine', 40, async () => {
    if (exited) throw new Error(`dockerd does not start\n${tail(await readFile(log, 'utf8'), 40)}`)
    return (await answers()) || undefined
  })
  await up
  say(`started dockerd, log ${log}`)
  return async () => {
    if (pid === undefined || exited) return
    // Another drill may have come to use it meanwhile.
    const others = await docker(['ps', '--quiet'], { mayFail: true, limit: 10 })
    if (others.stdout.trim() !== '') return say('others use dockerd now, it goes on')
    process.kill(pid, 'SIGTERM')
    await until('end of dockerd', 30, async () => exited || undefined)
  }
}

/** Makes a Docker engine answer on this machine and learns what it can do. */
export async function openEngine(): Promise<Engine> {
  await install()
  const stop = (await answers()) ? async () => {} : await start()
  const info = await docker(['info', '--format', '{{.ServerVersion}} {{.CgroupVersion}}'])
  const [version = '', cgroup] = info.stdout.trim().split(' ')
  const buildx = await docker(['buildx', 'version'], { mayFail: true })
  return {
    version,
    cgroup: cgroup === '2' ? '2' : '1',
    privileged: await hasAllCapabilities(),
    // Without the buildx plugin the client cannot speak BuildKit, and only the classic builder is left.
    buildEnv: { DOCKER_BUILDKIT: buildx.code === 0 ? '1' : '0' },
    stop,
  }
}

/** `--privileged` asks for every capability the kernel knows; one absent from the bounding set makes it fail. */
async function hasAllCapabilities(): Promise<boolean> {
  const last = Number(await readFile('/proc/sys/kernel/cap_last_cap', 'utf8'))
  const status = await readFile('/proc/self/status', 'utf8')
  const bounding = /^CapBnd:\s*([0-9a-f]+)$/m.exec(status)?.[1] ?? '0'
  return BigInt(`0x${bounding}`) === (1n << BigInt(last + 1)) - 1n
}
