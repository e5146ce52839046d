import type { Answers } from '../../../bootstrap/lib/answers.ts'
import { type Context, pathsFor } from '../../../bootstrap/lib/context.ts'
import { Log } from '../../../bootstrap/lib/log.ts'
import { type Output, render, type Shell } from '../../../bootstrap/lib/shell.ts'

/** Answers by the beginning of the command line; anything else succeeds and prints nothing. */
export type Script = Record<string, Partial<Output>>

/** A shell that runs nothing and remembers what it would have run. */
export function recorder(script: Script = {}): { shell: Shell; transcript: string[]; inputs: string[] } {
  const transcript: string[] = []
  const inputs: string[] = []
  const shell: Shell =
    (options = {}) =>
    async (pieces, ...args) => {
      const line = render(pieces, args)
      transcript.push(line)
      inputs.push(options.input ?? '')
      const key = Object.keys(script).find((start) => line.startsWith(start))
      const output = { stdout: '', stderr: '', exitCode: 0, ...(key === undefined ? {} : script[key]) }
      if (output.exitCode !== 0 && options.allowFailure !== true)
        throw new Error(`exit ${output.exitCode}: ${line}`)
      return output
    }
  return { shell, transcript, inputs }
}

export const ANSWERS: Answers = {
  domain: 'wa.example.org',
  email: 'ops@example.org',
  acme_server: 'https://acme.example.org/directory',
  images: { app: `ghcr.io/example/whatsapp-mcp@sha256:${'a'.repeat(64)}` },
}

export function testContext(shell: Shell, sandbox?: string): Context {
  return {
    mode: 'host',
    root: '/opt/whatsapp-mcp',
    paths: pathsFor('/opt/whatsapp-mcp', sandbox),
    log: new Log(),
    shell,
    answers: ANSWERS,
    readAgeKey: undefined,
    interactive: false,
    recovering: false,
    start: true,
  }
}
