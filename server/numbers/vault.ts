import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { SECRET_NAME } from '../../secrets/schema.ts'
import { Secret } from '../../secrets/secret.ts'

const SCHEME = 'secrets://'

/** Where the database says `secrets://name`, the value is the file `name` in this directory. */
export class Vault {
  readonly #dir: string
  readonly #overrides: ReadonlyMap<string, Secret>

  /** @param overrides Values the environment gives instead of a file, by name. */
  constructor(dir: string, overrides: ReadonlyMap<string, Secret> = new Map()) {
    this.#dir = dir
    this.#overrides = overrides
  }

  /** Read anew each time, so that a rotated value counts at once. `undefined` when there is no such secret. */
  find(reference: string): Secret | undefined {
    const name = reference.startsWith(SCHEME) ? reference.slice(SCHEME.length) : ''
    // Also what keeps a name from leaving the directory.
    if (!SECRET_NAME.test(name)) return undefined
    const override = this.#overrides.get(name)
    if (override) return override
    try {
      const text = readFileSync(join(this.#dir, name), 'utf8').replace(/\n$/, '')
      return text === '' ? undefined : new Secret(text)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw error
    }
  }
}
