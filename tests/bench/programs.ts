import { type ChildProcess, spawn } from 'node:child_process'
import { open, readFile, watch } from 'node:fs/promises'

/** A program that listens on a port of this machine. */
export interface Listening {
  readonly origin: string
  readonly pid: number
  /** From the start of the process to its word that it listens. */
  readonly ms: number
  stop(): Promise<void>
}

/** Starts a program that says on which port it listens. Its output goes to a file, as cheap as a container's pipe. */
export async function listen(args: string[], env: NodeJS.ProcessEnv, log: string): Promise<Listening> {
  const file = await open(log, 'w')
  const lines = watch(log, { signal: AbortSignal.timeout(10_000) })
  const started = performance.now()
  const child = spawn(process.execPath, args, { env, stdio: ['ignore', file.fd, 'inherit'] })
  await file.close()
  for await (const _ of lines) {
    const line = (await readFile(log, 'utf8')).split('\n').find((text) => text.includes('"listening"'))
    if (line === undefined || child.pid === undefined) continue
    const ms = performance.now() - started
    const { port } = JSON.parse(line) as { port: number }
    return { origin: `http://127.0.0.1:${port}`, pid: child.pid, ms, stop: () => stop(child) }
  }
  throw new Error(`${args[0]} did not start listening`)
}

async function stop(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return
  const gone = new Promise((resolve) => child.once('exit', resolve))
  child.kill('SIGTERM')
  await gone
}

/** Linux only: there is no other way to ask for another process. */
export async function residentMegabytes({ pid }: Listening): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'utf8')
  return Number(/VmRSS:\s+(\d+)/.exec(status)?.[1]) / 1024
}
