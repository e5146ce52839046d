import { expect } from 'vitest'
import { type Harness, rpc } from './harness.ts'

export interface ToolResult {
  readonly isError?: boolean
  // Loose on purpose: tests say what they expect of it.
  readonly structuredContent: Record<string, never>
  readonly content: { type: string; text: string }[]
}

/** One `tools/call` through the front door. */
export async function callTool(
  harness: Pick<Harness, 'origin'>,
  token: string,
  name: string,
  args: Record<string, unknown> = {},
): Promise<ToolResult> {
  const params = { name, arguments: args }
  const response = await rpc(harness.origin, token, { jsonrpc: '2.0', id: 1, method: 'tools/call', params })
  expect(response.status).toBe(200)
  const body = (await response.json()) as { result?: ToolResult; error?: { code: number; message: string } }
  if (body.result === undefined) throw new Error(`${name}: JSON-RPC error ${body.error?.code}`)
  return body.result
}

/** What it returned. @throws when it failed */
export async function call<T = Record<string, never>>(
  harness: Pick<Harness, 'origin'>,
  token: string,
  name: string,
  args: Record<string, unknown> = {},
): Promise<T> {
  const result = await callTool(harness, token, name, args)
  if (result.isError) throw new Error(`${name}: ${result.content[0]?.text}`)
  expect(JSON.parse(result.content[0]?.text ?? '')).toEqual(result.structuredContent)
  return result.structuredContent as T
}

export interface CallError {
  readonly code: string
  readonly category: string
  readonly message: string
  readonly retryable: boolean
  readonly retry_after_s: number | null
  readonly hint: string
  readonly [more: string]: unknown
}

/** The error it returned. @throws when it succeeded */
export async function callError(
  harness: Pick<Harness, 'origin'>,
  token: string,
  name: string,
  args: Record<string, unknown> = {},
): Promise<CallError> {
  const result = await callTool(harness, token, name, args)
  if (!result.isError) throw new Error(`${name} succeeded`)
  return (result.structuredContent as unknown as { error: CallError }).error
}
