/**
 * A refusal or failure meant for a person: what is wrong, and the one next command.
 * Everything that can go wrong on purpose is thrown as a `Fail`; any other error is a defect and shows its stack in the log.
 */
export class Fail extends Error {
  /** The one command or action that gets the reader further. */
  readonly next: string
  /** The failing command's own last lines, when there was one. */
  readonly output: string | undefined

  constructor(message: string, o: { next: string; output?: string | undefined; cause?: unknown }) {
    super(message, o.cause === undefined ? undefined : { cause: o.cause })
    this.name = 'Fail'
    this.next = o.next
    this.output = o.output
  }
}

/** A {@link Fail} before anything was changed: exit code 3. */
export class Refused extends Fail {}

/** The last lines of a program's output, enough to recognise the cause and short enough to read. */
export function lastLines(text: string, count = 12): string {
  return text.trimEnd().split('\n').slice(-count).join('\n')
}

/** The message of anything that was thrown. */
export function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}

/** What follows the message of a failure: the program's own last words, and the next command. */
export function explain({ output, next }: Fail): string {
  return `${output ? `${output.replaceAll(/^/gm, '    | ')}\n` : ''}  next: ${next}`
}

/** A mistake of ours, not of the world: whoever reports it needs the place. */
export function isDefect(error: Error): boolean {
  return ['TypeError', 'ReferenceError', 'RangeError', 'SyntaxError'].includes(error.name)
}
