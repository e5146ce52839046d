import { inspect } from 'node:util'

const REDACTED = '‹redacted›'

/**
 * A value that must not be seen. It prints as `‹redacted›` in templates, JSON and `console.log`;
 * the text itself comes out of {@link Secret.reveal} only, so every place that handles it is easy to find.
 */
export class Secret {
  readonly #value: string

  constructor(value: string) {
    this.#value = value
  }

  reveal(): string {
    return this.#value
  }

  toString(): string {
    return REDACTED
  }

  toJSON(): string {
    return REDACTED
  }

  [inspect.custom](): string {
    return REDACTED
  }
}
