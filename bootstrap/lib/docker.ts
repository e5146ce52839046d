import { isDeepStrictEqual } from 'node:util'
import { DAEMON_JSON, DOCKER_SETTINGS } from '../../scripts/lib/docker-settings.ts'
import { Fail } from '../../scripts/lib/fail.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import { type Choice, candidate, install, refreshLists } from './apt.ts'
import type { Context } from './context.ts'
import { readIfThere } from './files.ts'
import type { Resource } from './resource.ts'

/** Written before Docker is installed, so that its first start already follows it. */
export function dockerSettings({ shell }: Context): Resource {
  const read = async (): Promise<Record<string, unknown>> => {
    const text = await readIfThere(DAEMON_JSON)
    try {
      return JSON.parse(text ?? '{}') as Record<string, unknown>
    } catch (cause) {
      throw new Fail(`${DAEMON_JSON} is not valid JSON`, {
        next: `mend it, or move it away: mv ${DAEMON_JSON} /root/`,
        cause,
      })
    }
  }
  return {
    title: 'docker settings',
    async inspect() {
      const found = await read()
      const wrong = Object.entries(DOCKER_SETTINGS).filter(
        ([key, value]) => !isDeepStrictEqual(found[key], value),
      )
      return wrong.length === 0 ? undefined : `${DAEMON_JSON} lacks ${wrong.map(([key]) => key).join(', ')}`
    },
    async apply() {
      await shell()`install -d -m 0755 /etc/docker`
      await writeAtomically(
        DAEMON_JSON,
        `${JSON.stringify({ ...(await read()), ...DOCKER_SETTINGS }, null, 2)}\n`,
        0o644,
      )
      const active = await shell({ allowFailure: true })`systemctl is-active --quiet docker`
      if (active.exitCode === 0) await shell({ seconds: 120 })`systemctl restart docker`
    },
  }
}

/** What to install so that this release has the engine and Compose v2; nothing where both are there, from any source. */
export function dockerPackages(context: Context): Choice {
  const installed = async () => {
    const { shell } = context
    const compose = await shell({ allowFailure: true })`docker compose version --short`
    const daemon = await shell({ allowFailure: true })`command -v dockerd`
    return compose.exitCode === 0 && /^v?([2-9]|\d\d)\./.test(compose.stdout) && daemon.exitCode === 0
  }
  return {
    inspect: async () => ((await installed()) ? undefined : 'not installed: Docker with Compose v2'),
    names: async () => ((await installed()) ? [] : chooseDockerPackages(context)),
  }
}

/** The daemon, answering now and after every boot. */
export function dockerEngine({ shell }: Context): Resource {
  return {
    title: 'docker engine',
    async inspect() {
      const enabled = await shell({ allowFailure: true })`systemctl is-enabled --quiet docker`
      if (enabled.exitCode !== 0) return 'Docker does not start at boot'
      const answers = await shell({
        allowFailure: true,
        seconds: 10,
      })`docker info --format ${'{{.ServerVersion}}'}`
      return answers.exitCode === 0 ? undefined : 'the Docker daemon does not answer'
    },
    async apply() {
      await shell({ seconds: 90, next: 'journalctl -u docker -n 50' })`systemctl enable --now docker`
    },
  }
}

/** Ubuntu ships `docker-compose-v2`; Debian 13 has version 2 in `docker-compose`; older releases need Docker's own packages. */
async function chooseDockerPackages(context: Context): Promise<string[]> {
  if ((await candidate(context, 'docker-compose-v2')) !== undefined) return ['docker.io', 'docker-compose-v2']
  const compose = await candidate(context, 'docker-compose')
  if (compose !== undefined && !/^(\d+:)?1\./.test(compose))
    return ['docker.io', 'docker-cli', 'docker-compose']
  await addDockerRepository(context)
  return ['docker-ce', 'docker-ce-cli', 'containerd.io', 'docker-compose-plugin']
}

const DOCKER_FINGERPRINT = '9DC858229FC7DD38854AE2D88D81803C0EBFCD88'
const DOCKER_KEY = '/etc/apt/keyrings/docker.asc'

async function addDockerRepository(context: Context): Promise<void> {
  const { shell } = context
  await install(context, ['ca-certificates', 'curl', 'gnupg'])
  const release = await shell()`. /etc/os-release && printf '%s %s' "$ID" "$VERSION_CODENAME"`
  const [id = '', codename = ''] = release.stdout.trim().split(' ')
  const base = `https://download.docker.com/linux/${id}`
  const key = await shell({
    seconds: 40,
    next: `curl -I ${base}/gpg`,
  })`curl -fsS --max-time 30 ${`${base}/gpg`}`
  const shown = await shell({ input: key.stdout })`gpg --batch --show-keys --with-colons`
  const fingerprint = /^fpr:+([0-9A-F]{40}):/m.exec(shown.stdout)?.[1]
  if (fingerprint !== DOCKER_FINGERPRINT) {
    throw new Fail(`the signing key at ${base}/gpg has the fingerprint ${fingerprint}, not Docker's`, {
      next: 'do not go on from this network: somebody may be answering in place of Docker',
    })
  }
  await shell()`install -d -m 0755 /etc/apt/keyrings`
  await writeAtomically(DOCKER_KEY, key.stdout, 0o644)
  const source = `Types: deb\nURIs: ${base}\nSuites: ${codename}\nComponents: stable\nSigned-By: ${DOCKER_KEY}\n`
  await writeAtomically('/etc/apt/sources.list.d/docker.sources', source, 0o644)
  await refreshLists(shell, { force: true })
}
