import { appendFileSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import type { Secret } from '../../secrets/secret.ts'

/**
 * The dated log of one run. Secrets never reach it by design (they travel as {@link Secret}); replacing their text
 * as well guards against a program that echoes what it was given.
 */
export class Log {
  readonly path: string | undefined
  readonly #secrets = new Set<string>()

  /** Without a directory (a plan, a test) nothing is written. */
  constructor(directory?: string, now = new Date()) {
    if (directory === undefined) return
    mkdirSync(directory, { recursive: true, mode: 0o750 })
    this.path = join(directory, `bootstrap-${now.toISOString().replaceAll(':', '').slice(0, 17)}Z.log`)
    this.line(`bootstrap ${process.argv.slice(2).join(' ')}`)
  }

  /** From now on this text is replaced wherever it would be written. */
  redact(secret: Secret): void {
    this.#secrets.add(secret.reveal())
  }

  clean(text: string): string {
    let out = text
    for (const secret of this.#secrets) out = out.replaceAll(secret, '‹redacted›')
    return out
  }

  line(text: string): void {
    if (this.path === undefined) return
    appendFileSync(this.path, `${new Date().toISOString()} ${this.clean(text)}\n`, { mode: 0o600 })
  }
}
