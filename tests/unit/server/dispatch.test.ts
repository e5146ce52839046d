import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest'
import * as z from 'zod'
import { Secret } from '../../../secrets/secret.ts'
import type { AuditEntry } from '../../../server/audit/audit.ts'
import type { Grant } from '../../../server/auth/grants.ts'
import { connect } from '../../../server/db/pool.ts'
import { createLogger } from '../../../server/log.ts'
import { type Tool, type ToolContext, ToolOutput, tool } from '../../../server/mcp/tool.ts'
import { ToolError } from '../../../server/mcp/tool-error.ts'
import { type Call, createDispatcher, UnknownTool } from '../../../server/tools/dispatch.ts'

let entries: AuditEntry[]
let lines: string[]
let auditFails: boolean
beforeEach(() => {
  entries = []
  lines = []
  auditFails = false
})
afterEach(() => vi.useRealTimers())

/** Lazy: nothing here ever asks it. */
const sql = connect({
  url: new URL('postgres://127.0.0.1:9/none'),
  role: 'wa_app',
  password: new Secret('none'),
})
const READ = { readOnlyHint: true, destructiveHint: false, idempotentHint: true, openWorldHint: false }

function toolThat(run: Tool['run'], more: Partial<Tool> = {}): Tool {
  return {
    ...tool({
      name: 'probe',
      title: 'Probe',
      description: 'For tests.',
      input: z.strictObject({ word: z.string().max(5).optional(), deep: z.unknown().optional() }),
      output: z.object({ done: z.boolean(), message_id: z.string().optional() }),
      verb: null,
      subject: 'none',
      annotations: READ,
      run: () => ({ done: true }),
    }),
    run,
    ...more,
  }
}

function dispatch(probe: Tool, over: Partial<Call> = {}, grants: readonly Grant[] = []) {
  const dispatcher = createDispatcher({
    sql,
    tools: [probe],
    grants: { of: async () => grants },
    audit: {
      record: async (entry) => {
        if (auditFails) throw new Error('disk full')
        entries.push(entry)
      },
      close: async () => {},
    },
    defaultPhoneNumberId: undefined,
    log: createLogger('debug', { write: (line) => void lines.push(line) }),
  })
  return dispatcher.call({
    name: 'probe',
    args: {},
    identity: {
      ...{ keyId: 'k', clientId: 'c', clientName: 'c', isOwner: false, scopes: ['*'] },
      ...{ rpmLimit: 1, dailyMsgLimit: 1 },
    },
    transport: 'http',
    requestId: 'request-1',
    ip: '192.0.2.1',
    signal: new AbortController().signal,
    progress: () => {},
    confirm: async () => 'unavailable',
    ...over,
  })
}

const errorOf = (result: Awaited<ReturnType<typeof dispatch>>) =>
  result.structuredContent?.error as Record<string, unknown>

test('a result holds only what the schema names, as data and as text; the audit a hash of the arguments', async () => {
  const probe = toolThat(() => ({ done: true, message_id: 'm1', secret: 'canary' }))
  const result = await dispatch(probe, { args: { deep: { b: 1, a: [2] }, word: 'hello' } })
  expect(result).toEqual({
    structuredContent: { done: true, message_id: 'm1' },
    content: [{ type: 'text', text: '{"done":true,"message_id":"m1"}' }],
  })
  await dispatch(probe, { args: { word: 'hello', deep: { a: [2], b: 1 } } })
  const [first, second] = entries
  expect(first).toMatchObject({
    action: 'tool.call',
    outcome: 'ok',
    tool: 'probe',
    clientId: 'c',
    keyId: 'k',
  })
  expect(first?.detail).toEqual({ args_sha256: expect.stringMatching(/^[0-9a-f]{64}$/), message_id: 'm1' })
  expect(second?.detail).toEqual(first?.detail)
  expect(JSON.stringify(entries)).not.toContain('hello')
})

test('content of its own follows the text', async () => {
  const link = { type: 'resource_link', uri: 'x:y', name: 'z' }
  const result = await dispatch(toolThat(() => new ToolOutput({ done: true }, [link])))
  expect(result.content).toEqual([{ type: 'text', text: '{"done":true}' }, link])
})

test('an error for the model keeps its code, its hint and its data', async () => {
  const error = new ToolError('No.', {
    ...{
      code: 'meta_131026',
      category: 'recipient',
      hint: 'Ask.',
      retryAfterS: 3,
      data: { templates: ['t'] },
    },
  })
  const result = await dispatch(
    toolThat(() => {
      throw error
    }),
  )
  expect(result.isError).toBe(true)
  expect(errorOf(result)).toEqual({
    ...{ code: 'meta_131026', category: 'recipient', message: 'No.', retryable: false, retry_after_s: 3 },
    ...{ hint: 'Ask.', templates: ['t'] },
  })
  expect(JSON.parse(String(result.content[0]?.text))).toEqual(result.structuredContent)
  expect(entries[0]).toMatchObject({ outcome: 'failed', errorClass: 'meta_131026', errorCode: '131026' })
})

test.each([
  ['another error', new Error('canary at line 7'), 'internal_error'],
  ['a lost database', Object.assign(new Error('canary'), { code: 'CONNECTION_CLOSED' }), 'unavailable'],
  ['no error at all', 'canary', 'internal_error'],
])('%s is told in general words and logged with the request id', async (_, thrown, code) => {
  const result = await dispatch(toolThat(() => Promise.reject(thrown)))
  expect(errorOf(result)).toMatchObject({ code, category: 'temporary' })
  expect(JSON.stringify(result)).not.toContain('canary')
  expect(lines.join()).toMatch(/"rid":"request-1".*tool_failed/)
  expect(entries[0]).toMatchObject({ outcome: 'failed', errorClass: code })
})

test('an output that breaks its schema is an internal error, not a surprise for the client', async () => {
  const result = await dispatch(toolThat(() => ({ done: 'canary' })))
  expect(errorOf(result)).toMatchObject({ code: 'internal_error' })
  expect(JSON.stringify(result)).not.toContain('canary')
})

test('wrong arguments are named with shape and remedy, without their values', async () => {
  const probe = toolThat(() => ({ done: true }))
  const error = errorOf(await dispatch(probe, { args: { word: 'canary-value', surprise: 'canary' } }))
  expect(error).toMatchObject({
    code: 'invalid_input',
    issues: [{ field: 'word' }, { field: 'arguments', problem: expect.stringContaining('surprise') }],
  })
  expect(JSON.stringify(error)).not.toContain('canary')
  for (const args of ['text', 7, [], { deep: ['a', { b: 'x\0y' }] }, { deep: { 'x\0': 1 } }]) {
    expect(errorOf(await dispatch(probe, { args })), JSON.stringify(args)).toMatchObject({
      code: 'invalid_input',
    })
  }
  expect(entries.map(({ outcome }) => outcome)).toEqual(Array(6).fill('refused'))
})

test('arguments nested a thousand times over do not bring anything down', async () => {
  const args = JSON.parse(`{"deep":${'['.repeat(200_000)}${']'.repeat(200_000)}}`)
  const result = await dispatch(
    toolThat(() => ({ done: true })),
    { args },
  )
  expect(result.isError).toBe(true)
})

test('an unknown tool is audited without repeating its name', async () => {
  const call = dispatch(
    toolThat(() => ({ done: true })),
    { name: 'canary' },
  )
  await expect(call).rejects.toThrow(UnknownTool)
  expect(entries[0]).toMatchObject({ outcome: 'refused', errorClass: 'unknown_tool', tool: undefined })
  expect(JSON.stringify(entries) + lines.join()).not.toContain('canary')
})

describe('when the audit cannot be written', () => {
  beforeEach(() => {
    auditFails = true
  })
  test('what was read is not handed out', async () => {
    const result = await dispatch(toolThat(() => ({ done: true })))
    expect(errorOf(result)).toMatchObject({ code: 'unavailable', retryable: true })
    expect(result.structuredContent).not.toHaveProperty('done')
  })
  test('what was done is not denied', async () => {
    const annotations = { ...READ, readOnlyHint: false }
    const result = await dispatch(toolThat(() => ({ done: true }), { annotations }))
    expect(result.structuredContent).toEqual({ done: true })
    expect(lines.join()).toContain('call_not_audited')
  })
})

test('what confirm throws to ask the person first goes to the transport, and only that', async () => {
  const question = new Error('input required')
  const asking = toolThat(async (_, context: ToolContext) => {
    await context.confirm('Really?', {})
    return { done: true }
  })
  const call = dispatch(asking, { confirm: () => Promise.reject(question) })
  await expect(call).rejects.toBe(question)
  expect(entries[0]).toMatchObject({ outcome: 'refused', errorClass: 'input_required' })
})

test('a call that takes too long is answered, and what it does is told to stop', async () => {
  vi.useFakeTimers()
  let stopped = false
  const never = toolThat(
    (_, { signal }: ToolContext) =>
      new Promise(() =>
        signal.addEventListener('abort', () => {
          stopped = true
        }),
      ),
  )
  const call = dispatch(never)
  await vi.advanceTimersByTimeAsync(35_000)
  expect(errorOf(await call)).toMatchObject({ code: 'deadline_exceeded', category: 'unknown_outcome' })
  expect(stopped).toBe(true)
})

test('a caller who has gone away stops the tool', async () => {
  const gone = new AbortController()
  const waiting = toolThat(
    (_, { signal }: ToolContext) =>
      new Promise((resolve) => {
        if (signal.aborted) resolve({ done: false })
        signal.addEventListener('abort', () => resolve({ done: false }))
      }),
  )
  const call = dispatch(waiting, { signal: gone.signal })
  gone.abort()
  expect((await call).structuredContent).toEqual({ done: false })
  expect((await dispatch(waiting, { signal: gone.signal })).structuredContent).toEqual({ done: false })
})
