import { spawn } from 'node:child_process'
import { json } from 'node:stream/consumers'
import { fileURLToPath } from 'node:url'
import type { Addressee } from '../delivery.ts'
import type { Listening } from '../programs.ts'
import type { Stack } from '../stack.ts'

/** New signed deliveries of one text each, or MCP requests with given keys. */
export type Requests =
  | { readonly delivery: { readonly to: Addressee; readonly secret: string } }
  | { readonly bodies: readonly string[]; readonly tokens: readonly string[] }

export interface Load {
  readonly url: string
  readonly seconds: number
  readonly requests: Requests
}

export interface ClosedLoad extends Load {
  readonly connections: number
}

export interface ClosedResult {
  readonly rps: number
  /** In milliseconds. */
  readonly p99: number
  readonly failed: number
}

export interface PacedLoad extends Load {
  /** Requests per second. */
  readonly rate: number
}

export interface PacedResult {
  /** Of each request that worked, in milliseconds. */
  readonly ms: readonly number[]
  readonly failed: number
}

/** @throws when any request failed: figures of failures are worth nothing. */
export async function runClosed(load: ClosedLoad): Promise<ClosedResult> {
  return await runLoad('closed.ts', load)
}

/** @throws when any request failed. */
export async function runPaced(load: PacedLoad): Promise<readonly number[]> {
  return (await runLoad<PacedResult>('paced.ts', load)).ms
}

export function deliveries(stack: Stack, server: Listening): Pick<Load, 'url' | 'requests'> {
  const { waId, wabaId } = stack.number
  return {
    url: `${server.origin}/webhook/meta`,
    requests: { delivery: { to: { waId, wabaId }, secret: stack.appSecret } },
  }
}

async function runLoad<Result extends { readonly failed: number }>(
  program: string,
  load: Load,
): Promise<Result> {
  const child = spawn(process.execPath, [fileURLToPath(new URL(program, import.meta.url))], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(load))
  const result = (await json(child.stdout)) as Result
  if (result.failed > 0) throw new Error(`${result.failed} requests to ${load.url} failed`)
  return result
}
