import { join } from 'node:path'
import { type Authority, foreignAuthorities } from './authority.ts'
import {
  ANSWERS,
  type BootstrapReport,
  type BootstrapRun,
  bootstrap,
  follow,
  KEY_FILE,
  mustSucceed,
  REPOSITORY,
} from './bootstrap.ts'
import type { Engine } from './engine.ts'
import { takeFingerprint } from './fingerprint.ts'
import { Host, PACKAGES } from './host.ts'
import type { Images } from './images.ts'
import type { Material } from './material.ts'
import { ACME, DOMAIN, type Network, STAND_IN } from './network.ts'
import { say, timed } from './progress.ts'
import type { Check } from './report.ts'
import type { StandIn } from './stand-in.ts'
import { takeTraces } from './traces.ts'
import type { Vault } from './vault.ts'

export const PROJECT = join(import.meta.dirname, '..', '..', '..')

/** What every scenario has: the world around the hosts, and what the operator brings. */
export interface World {
  readonly engine: Engine
  readonly images: Images
  readonly authority: Authority
  readonly network: Network
  readonly vault: Vault
  readonly material: Material
  /** References by digest in the drill's registry. */
  readonly stack: { readonly app: string; readonly postgres: string; readonly nginx: string }
}

/** One scenario, as a file in `scenarios/` exports it. */
export interface Scenario {
  readonly title: string
  run(drill: Drill): Promise<void>
}

/** Thrown by a scenario that cannot be played here; the message says why. */
export class Skipped extends Error {}

export interface Undisturbed {
  readonly host: Host
  readonly run: BootstrapRun
  /** State of the host right after the run. */
  readonly fingerprint: readonly string[]
  /** What {@link takeTraces} found before it. */
  readonly bare: readonly string[]
}

/** The state scenarios share: the hosts, made when first needed, and what was found. */
export class Drill {
  readonly world: World
  /** Figures for the bars, by the names in bars.json. */
  readonly measured: Record<string, number> = {}
  /** Seconds of the floor, by part. */
  readonly floor: Record<string, number> = {}
  /** Steps of the undisturbed bootstrap. */
  steps: BootstrapReport['steps'] = []
  /** What the host held that was lost, for who brings it back once more. */
  lost: { readonly set: string; readonly contents: readonly string[] } | undefined
  /** Phases of the recovery: they overlap, so each has its begin, in seconds. */
  readonly phases: Record<string, { from: number; seconds: number }> = {}
  /** Once there is one, every smoke test converses with its customer. */
  standIn: StandIn | undefined
  #checks: Check[] = []
  #undisturbed: Promise<Undisturbed> | undefined
  #current: Host | undefined

  constructor(world: World) {
    this.world = world
  }

  /** Records one finding of the scenario that runs; a failed one does not end it. */
  expect(title: string, ok: boolean, detail = ''): void {
    this.#checks.push({ title, ok, ...(detail ? { detail } : {}) })
    if (!ok) say(`  ✗ ${title}${detail ? `: ${detail.split('\n')[0]}` : ''}`)
  }

  /** Hands over the findings recorded since the last call. */
  takeChecks(): readonly Check[] {
    const checks = this.#checks
    this.#checks = []
    return checks
  }

  answers(changes: Partial<Record<'domain' | 'app', string>> = {}): string {
    const { stack } = this.world
    return [
      `domain: ${changes.domain ?? DOMAIN}`,
      `email: ops@${DOMAIN}`,
      `acme_server: ${ACME}`,
      `graph_url: http://${STAND_IN.address}:${STAND_IN.graphPort}`,
      'images:',
      `    app: ${changes.app ?? stack.app}`,
      `    postgres: ${stack.postgres}`,
      `    nginx: ${stack.nginx}`,
      '',
    ].join('\n')
  }

  /**
   * Boots a bare host with the repository, the answers and the key, in place of the one before.
   * @param o.stocked with the distribution's packages in its cache, as far as another host fetched them
   */
  async freshHost(name: string, o: { nameless?: boolean; stocked?: boolean } = {}): Promise<Host> {
    const { images, engine, authority, network, material } = this.world
    await this.#current?.retire()
    const host = await timed(`bare host ${name}`, async () => {
      const booted = await Host.boot(name, images, engine, o)
      await booted.trust([authority.certificate, network.acmeRoot, ...(await foreignAuthorities())])
      await booted.write('/run/repository.bundle', material.bundle)
      await booted.exec(['git', 'clone', '--quiet', '/run/repository.bundle', REPOSITORY])
      await booted.write(ANSWERS, this.answers(), '0600')
      // As most providers hand it over; left at 'yes', every bootstrap would wait for somebody to confirm.
      await booted.write('/etc/ssh/sshd_config.d/50-cloud-init.conf', 'PasswordAuthentication no\n', '0600')
      await this.giveKey(booted)
      if (o.stocked)
        await booted.sh('find $1 -name "*.deb" -exec cp -t /var/cache/apt/archives {} +', [PACKAGES])
      return booted
    })
    this.#current = host
    return host
  }

  /** Destroys the host that is up, disks and all. */
  async lose(): Promise<void> {
    await this.#current?.remove()
    this.#current = undefined
    this.#undisturbed = undefined
  }

  /** The bare host that is up, or a new one; for scenarios that leave it bare, and the one that comes after them. */
  async anyBareHost(): Promise<Host> {
    return this.#current?.name === 'refusing' ? this.#current : this.freshHost('refusing', { stocked: true })
  }

  async giveKey(host: Host, key: string = this.world.material.hostKey): Promise<void> {
    await host.write(KEY_FILE, `${key}\n`, '0400')
  }

  /** The host after one undisturbed bootstrap; set up by the first scenario that needs it. */
  undisturbed(): Promise<Undisturbed> {
    this.#undisturbed ??= this.#bootstrapUndisturbed()
    return this.#undisturbed
  }

  async #bootstrapUndisturbed(): Promise<Undisturbed> {
    // The first is measured.
    const host = await this.freshHost('undisturbed', { stocked: this.steps.length > 0 })
    const bare = await takeTraces(host)
    const result = await bootstrap(host, { onLine: follow })
    this.steps = mustSucceed(result).steps
    return { host, run: result, fingerprint: await takeFingerprint(host), bare }
  }
}
