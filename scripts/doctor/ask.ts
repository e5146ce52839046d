import { $ } from 'zx'
import { ADMIN, COMPOSE } from '../lib/stack.ts'

const run = $({
  quiet: true,
  nothrow: true,
  timeout: '30s',
  input: '',
  env: { ...process.env, LC_ALL: 'C.UTF-8' },
})

export interface Said {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** Runs a program that only reads. One that is missing has the code 127. */
export async function ask(...argv: readonly string[]): Promise<Said> {
  const { exitCode, stdout, stderr } = await run`${argv}`
  return { code: exitCode ?? 1, stdout: stdout.trim(), stderr: stderr.trim() }
}

/** The server's command line for operators, in its container. @returns what `--json` printed; `undefined` when it failed */
export async function admin(...argv: readonly string[]): Promise<unknown> {
  const { code, stdout } = await ask('docker', ...COMPOSE, ...ADMIN, ...argv, '--json')
  if (code !== 0) return undefined
  return JSON.parse(stdout)
}
