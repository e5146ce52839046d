import type { Secret } from '../../secrets/secret.ts'
import { paint, tell } from '../lib/cli.ts'
import { Refused } from '../lib/fail.ts'
import type { Remote } from '../offsite/remote.ts'
import type { OpenIdentity } from '../offsite/seal.ts'
import type { BrokenSet } from '../offsite/sets.ts'
import { bringHostFiles, type HostFiles } from './host-files.ts'
import { BadSet, type OffsiteSet, setsNewestFirst } from './sets.ts'

/** The set to restore, and those before it for the case that it turns out to be damaged. */
export class Choice {
  readonly #older: AsyncGenerator<OffsiteSet, undefined>
  readonly #only: string | undefined
  readonly #passedOver: BrokenSet[] = []

  constructor(remote: Remote, key: Secret, only: string | undefined) {
    this.#only = only
    this.#older = setsNewestFirst(remote, key, only, (set) => this.passOver(set))
  }

  /** Sets that could not be used, newest first, with the reason. */
  get passedOver(): readonly BrokenSet[] {
    return [...this.#passedOver].sort((a, b) => (a.name < b.name ? 1 : -1))
  }

  /** Says it loudly: what was lost grows with every set that is passed over. */
  passOver({ name, problem }: BrokenSet): void {
    this.#passedOver.push({ name, problem })
    tell(`${paint('31', 'NOT USED')} backup set ${name}: ${problem}`)
  }

  /** The next older set; `undefined` when there is none. */
  async next(): Promise<OffsiteSet | undefined> {
    return (await this.#older.next()).value
  }

  /**
   * The newest set whose host files can be opened.
   * @throws Refused when there is none
   */
  async first(
    remote: Remote,
    identity: OpenIdentity,
    sopsYaml: string,
  ): Promise<{ set: OffsiteSet; host: HostFiles }> {
    for (;;) {
      const set = await this.next()
      if (set === undefined) throw this.#none()
      try {
        return { set, host: await bringHostFiles(set, remote, identity, sopsYaml) }
      } catch (error) {
        if (!(error instanceof BadSet)) throw error
        this.passOver({ name: error.set, problem: error.problem })
      }
    }
  }

  #none(): Refused {
    if (this.#only !== undefined) {
      return new Refused(`the backup set ${this.#only} is not on the far side, or cannot be used`, {
        next: 'leave --set out to take the newest good one',
      })
    }
    const why = this.#passedOver.length > 0 ? 'none of the sets can be used' : 'it holds no finished set'
    return new Refused(`there is no backup to restore on the far side: ${why}`, {
      next: 'see that offsite_remote in the secrets file names the right place',
    })
  }
}
