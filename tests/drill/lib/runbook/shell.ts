import { stripVTControlCharacters } from 'node:util'
import type { Result, RunOptions } from '../run.ts'

/** A machine on which programs can be run, and the repository there. */
export interface Place {
  readonly directory: string
  exec(argv: readonly string[], options?: RunOptions): Promise<Result>
}

// The limit is kept over there too: a `docker exec` that ends leaves behind what it started.
const PLAIN = 'cd "$3" && exec timeout --kill-after=5 "$1" bash -c "$2" 2>&1'
/** Prompts want a terminal; `script` gives them one, and the terminal stays with the command in the foreground. */
const TERMINAL = `cd "$3" && export COMMAND="$2" && exec script -qefc "exec timeout --foreground --kill-after=5 $1 bash -c \\"\\$COMMAND\\"" /dev/null`

/**
 * Runs a command as it is typed into the shell of an operator who is in the repository.
 * @param o answers to prompts, in their order; `limit` in seconds, after which the exit code is 124
 * @returns both streams as standard output, in the order in which they appear on a screen
 */
export function inShell(
  place: Place,
  command: string,
  o: { answers: readonly { prompt: string; text: string }[]; limit: number },
): Promise<Result> {
  const terminal = o.answers.length > 0
  const argv = ['bash', '-c', terminal ? TERMINAL : PLAIN, 'bash', String(o.limit), command, place.directory]
  return place.exec(argv, {
    limit: o.limit + 15,
    mayFail: true,
    ...(terminal && { answer: typist(o.answers) }),
  })
}

/** Types each answer once its prompt has appeared after the one before. */
function typist(answers: readonly { prompt: string; text: string }[]): (shown: string) => string | undefined {
  let answered = 0
  let seen = 0
  return (shown) => {
    const next = answers[answered]
    if (next === undefined || !shown.slice(seen).includes(next.prompt)) return undefined
    answered += 1
    seen = shown.length
    return `${next.text}\r`
  }
}

/** What is left on the screen beside the questions, which a prompt draws anew with each key, and npm's spinner. */
export function withoutPrompts(screen: string): string {
  return stripVTControlCharacters(screen)
    .replace(/[\u2800-\u28ff]/g, '')
    .split(/\r?\n/)
    .filter((line) => !/^\s*[?✔✖]/.test(line))
    .join('\n')
    .trim()
}
