import { spawn } from 'node:child_process'
import { createReadStream } from 'node:fs'

export interface Outcome {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** What a program reads: text, or a file. */
export type Input = string | { readonly file: string }

/**
 * Runs a program without a shell and waits for it.
 * @param o.seconds until it is killed; its exit code is then 124, as that of timeout(1)
 * @throws Error when there is no such program, or the input cannot be read
 */
export function runProgram(
  program: string,
  argv: readonly string[],
  o: { seconds: number; input?: Input },
): Promise<Outcome> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, argv, {
      stdio: ['pipe', 'pipe', 'pipe'],
      env: { PATH: process.env.PATH, LC_ALL: 'C.UTF-8' },
      timeout: o.seconds * 1000,
      killSignal: 'SIGKILL',
    })
    const out: Buffer[] = []
    const err: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => out.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => err.push(chunk))
    // A child that ends without reading on is judged by its exit code, not by the broken pipe.
    child.stdin.on('error', () => undefined)
    if (typeof o.input === 'object') {
      const file = createReadStream(o.input.file)
      file.on('error', (error) => {
        child.kill('SIGKILL')
        reject(error)
      })
      file.pipe(child.stdin)
    } else child.stdin.end(o.input ?? '')
    child.on('error', (error: NodeJS.ErrnoException) =>
      reject(
        error.code === 'ENOENT' ? new Error(`${program} is not installed. Install openssh-client.`) : error,
      ),
    )
    child.on('close', (code) =>
      resolve({
        code: code ?? 124,
        stdout: Buffer.concat(out).toString(),
        stderr: Buffer.concat(err).toString().trim(),
      }),
    )
  })
}
