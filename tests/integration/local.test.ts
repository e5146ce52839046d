import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { text } from 'node:stream/consumers'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import * as z from 'zod'

const RUN = join(import.meta.dirname, '../../bootstrap/run.sh')
const STEPS = ['00-install', '10-age-key', '20-certbot', '30-secrets', '40-stack', '50-smoke']

const result = z.object({
  ok: z.boolean(),
  mode: z.string(),
  steps: z.array(z.object({ id: z.string(), state: z.string(), seconds: z.number() })),
})

/** Everything the sandbox writes goes below it, so what is left behind can be seen. */
let temporary: string
beforeEach(async () => {
  temporary = await mkdtemp(join(tmpdir(), 'local-test-'))
  // As root, Postgres runs as nobody, who must be able to get there.
  await chmod(temporary, 0o755)
})
afterEach(() => rm(temporary, { recursive: true, force: true }))

function start(...args: string[]) {
  return spawn(RUN, ['--local', ...args], {
    env: { ...process.env, TMPDIR: temporary },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
}

describe('run.sh --local', () => {
  it('goes through the six steps, proves itself, says so as JSON, and leaves nothing', async () => {
    const run = start('--once', '--json')
    const [stdout, , [code]] = await Promise.all([text(run.stdout), text(run.stderr), once(run, 'exit')])
    expect(code).toBe(0)
    const { ok, mode, steps } = result.parse(JSON.parse(stdout))
    expect({ ok, mode, steps: steps.map(({ id }) => id) }).toEqual({ ok: true, mode: 'local', steps: STEPS })
    expect(steps.every(({ state }) => state === 'ok' || state === 'changed')).toBe(true)
    expect(await readdir(temporary)).toEqual([])
  }, 120_000)

  it('ends with an address and a key, and takes everything back on Ctrl-C', async () => {
    const run = start()
    let [printed, told] = ['', '']
    const ready = new Promise<void>((resolve) => {
      // Two pipes: the last line of one may be read before the first of the other.
      const look = () => printed.includes('API key') && told.includes('Ctrl-C') && resolve()
      run.stdout.on('data', (chunk: Buffer) => {
        printed += chunk.toString()
        look()
      })
      run.stderr.on('data', (chunk: Buffer) => {
        told += chunk.toString()
        look()
      })
    })
    await Promise.race([ready, once(run, 'exit')])
    expect(printed, told).toContain('API key')
    const url = /^MCP endpoint {2}(http:\/\/127\.0\.0\.1:\d+\/mcp)$/m.exec(printed)?.[1] ?? ''
    const key = /^API key {7}(wamcp_live_[a-z2-7]{28})$/m.exec(printed)?.[1] ?? ''
    const body = { jsonrpc: '2.0', id: 1, method: 'tools/call', params: { name: 'ping', arguments: {} } }
    const answer = await fetch(url, {
      method: 'POST',
      headers: {
        authorization: `Bearer ${key}`,
        accept: 'application/json, text/event-stream',
        'content-type': 'application/json',
      },
      body: JSON.stringify(body),
    })
    expect(await answer.json()).toMatchObject({ id: 1, result: { structuredContent: { ok: true } } })

    run.kill('SIGINT')
    const [code] = await once(run, 'exit')
    expect(code).toBe(0)
    await expect(fetch(url)).rejects.toThrow()
    expect(await readdir(temporary)).toEqual([])
  }, 120_000)
})
