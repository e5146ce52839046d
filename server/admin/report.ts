/** What a command prints: `data` for a machine that asked for JSON, `text` for everybody else. */
export interface Report {
  readonly data: unknown
  readonly text: string
  /** For standard error, where it does not end up in a pipe or a file by accident. */
  readonly aside?: string
  /** What the audit log notes beside the name of the command. */
  readonly audit?: {
    readonly clientId?: string
    /** Meta's id. */
    readonly phoneNumberId?: string
    readonly detail?: Readonly<Record<string, unknown>>
  }
  /** The command did its work, and the answer is bad news: the exit code is 1. */
  readonly failed?: true
}

/** The command line is wrong; the exit code is 2. */
export class UsageError extends Error {
  override readonly name = 'UsageError'
}

/** The command could not do what was asked; the exit code is 1. */
export class AdminError extends Error {
  override readonly name = 'AdminError'
}
