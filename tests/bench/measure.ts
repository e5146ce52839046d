import { spawn } from 'node:child_process'
import { existsSync } from 'node:fs'
import { readFile, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import type { LoadOptions, LoadResult } from './load.ts'
import { type Listening, ROOT, SERVER, type Stack } from './stack.ts'

const ROUNDS = 3
const SECONDS = 4

/** One figure with its bar. `floor` and `ours` explain a ratio. */
export interface Measure {
  readonly name: string
  readonly value: number
  readonly unit: string
  readonly bar: { readonly atMost: number } | { readonly atLeast: number }
  readonly detail: string
}

/** Start to listening, against the start of Node itself. */
export async function measureStart(stack: Stack): Promise<Measure> {
  const ours: number[] = []
  const floor: number[] = []
  for (let round = 0; round < 7; round += 1) {
    const started = performance.now()
    await new Promise((resolve) => spawn(process.execPath, ['-e', '0']).once('exit', resolve))
    floor.push(performance.now() - started)
    const server = await stack.startServer()
    ours.push(server.ms)
    await server.stop()
  }
  const detail = `${median(ours).toFixed(0)} ms, node -e 0 takes ${median(floor).toFixed(0)} ms`
  return {
    name: 'start to listening',
    value: median(ours) / median(floor),
    unit: '×',
    bar: { atMost: 3 },
    detail,
  }
}

/** Resident memory of a server that has answered one request of each kind and then rests. */
export async function measureMemory(stack: Stack): Promise<Measure> {
  const server = await stack.startServer()
  await load({ ...pingLoad(stack, server), seconds: 1 })
  await server.stop()
  const idle = await stack.startServer()
  await fetch(`${idle.origin}/health`)
  await delay(2_000)
  const status = await readFile(`/proc/${idle.pid}/status`, 'utf8')
  await idle.stop()
  const kilobytes = Number(/VmRSS:\s+(\d+)/.exec(status)?.[1])
  return {
    name: 'memory at rest',
    value: kilobytes / 1024,
    unit: 'MB',
    bar: { atMost: 90 },
    detail: 'resident',
  }
}

export async function measureBundle(): Promise<Measure> {
  const { size } = await stat(SERVER)
  return {
    name: 'bundle',
    value: size / 1024,
    unit: 'KB',
    bar: { atMost: 900 },
    detail: 'dist/server.js, minified',
  }
}

/** A signed event, durably stored, against a bare server with one INSERT into the same Postgres. */
export async function measureWebhook(stack: Stack): Promise<Measure[]> {
  const at = (server: Listening): LoadOptions => ({
    url: `${server.origin}/webhook/meta`,
    seconds: SECONDS,
    headers: { 'content-type': 'application/json' },
    body: 'x'.repeat(600),
    secret: stack.appSecret,
  })
  const { ours, floor } = await interleave(stack, 'insert', at)
  const both = (key: 'rps' | 'p99') =>
    `${median(ours, key).toFixed(0)}, floor ${median(floor, key).toFixed(0)}`
  return [
    {
      name: 'webhook, requests per second',
      value: median(ours, 'rps') / median(floor, 'rps'),
      unit: '× floor',
      bar: { atLeast: 0.7 },
      detail: both('rps'),
    },
    {
      name: 'webhook, p99 (floor / ours)',
      value: median(floor, 'p99') / median(ours, 'p99'),
      unit: '×',
      bar: { atLeast: 0.7 },
      detail: `${both('p99')} ms`,
    },
  ]
}

/** `ping` over MCP with its key checked, against a bare server that parses and answers. */
export async function measurePing(stack: Stack): Promise<Measure> {
  const { ours, floor } = await interleave(stack, 'ping', (server) => pingLoad(stack, server))
  return {
    name: 'ping, requests per second',
    value: median(ours, 'rps') / median(floor, 'rps'),
    unit: '× floor',
    bar: { atLeast: 0.4 },
    detail: `${median(ours, 'rps').toFixed(0)}, floor ${median(floor, 'rps').toFixed(0)}`,
  }
}

/** The whole local mode, once. */
export async function measureLocal(): Promise<Measure | undefined> {
  const script = join(ROOT, 'bootstrap/run.sh')
  if (!existsSync(script)) return undefined
  const started = performance.now()
  const child = spawn(script, ['--local', '--once', '--json'], {
    stdio: ['ignore', 'ignore', 'inherit'],
    timeout: 120_000,
  })
  const code = await new Promise((resolve) => child.once('exit', resolve))
  if (code !== 0) throw new Error(`bootstrap/run.sh --local --once ended with ${code}`)
  const value = (performance.now() - started) / 1_000
  return {
    name: 'local mode, start to smoke test',
    value,
    unit: 's',
    bar: { atMost: 30 },
    detail: '--local --once',
  }
}

function pingLoad(stack: Stack, server: Listening): LoadOptions {
  const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } }
  return {
    url: `${server.origin}/mcp`,
    seconds: SECONDS,
    headers: {
      authorization: `Bearer ${stack.token}`,
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
    },
    body: JSON.stringify(body),
  }
}

/** Floor and server in turn, so that whatever else the machine does meets both. */
async function interleave(stack: Stack, kind: 'ping' | 'insert', at: (server: Listening) => LoadOptions) {
  const ours: LoadResult[] = []
  const floor: LoadResult[] = []
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [results, start] of [
      [floor, () => stack.startFloor(kind)],
      [ours, () => stack.startServer()],
    ] as const) {
      const server = await start()
      results.push(await load(at(server)))
      await server.stop()
    }
  }
  return { ours, floor }
}

async function load(options: LoadOptions): Promise<LoadResult> {
  const child = spawn(process.execPath, [join(ROOT, 'tests/bench/load.ts')], {
    stdio: ['pipe', 'pipe', 'inherit'],
  })
  child.stdin.end(JSON.stringify(options))
  const result = (await json(child.stdout)) as LoadResult
  if (result.failed > 0) throw new Error(`${result.failed} requests to ${options.url} failed`)
  return result
}

function median(values: readonly number[]): number
function median(values: readonly LoadResult[], key: 'rps' | 'p99'): number
function median(values: readonly (number | LoadResult)[], key?: 'rps' | 'p99'): number {
  const sorted = values
    .map((value) => (typeof value === 'number' ? value : value[key ?? 'rps']))
    .sort((a, b) => a - b)
  return sorted[Math.floor(sorted.length / 2)] ?? Number.NaN
}
