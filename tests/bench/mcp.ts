import type { Listening } from './programs.ts'

/** One JSON-RPC request of the protocol, as text. */
export function rpc(method: string, params: Record<string, unknown> = {}): string {
  return JSON.stringify({ jsonrpc: '2.0', id: 1, method, params })
}

export function callTool(name: string, args: Record<string, unknown> = {}): string {
  return rpc('tools/call', { name, arguments: args })
}

/** A session of the handshake era with its stream open. */
export interface Session {
  post(body: string): Promise<string>
  close(): void
}

/** @param onEvent Called with the data of each server-sent event. */
export async function openSession(
  { origin }: Listening,
  token: string,
  onEvent: (data: string) => void = () => {},
): Promise<Session> {
  const headers: Record<string, string> = {
    authorization: `Bearer ${token}`,
    'content-type': 'application/json',
    accept: 'application/json, text/event-stream',
  }
  const ended = new AbortController()
  const ask = async (init: RequestInit) => {
    const response = await fetch(`${origin}/mcp`, { ...init, headers, signal: ended.signal })
    if (!response.ok) throw new Error(`${init.method} /mcp: ${response.status} ${await response.text()}`)
    return response
  }
  const post = async (body: string) => (await ask({ method: 'POST', body })).text()

  const clientInfo = { name: 'bench', version: '1' }
  const opened = await ask({
    method: 'POST',
    body: rpc('initialize', { protocolVersion: '2025-11-25', capabilities: {}, clientInfo }),
  })
  await opened.text()
  headers['mcp-session-id'] = opened.headers.get('mcp-session-id') ?? ''
  headers['mcp-protocol-version'] = '2025-11-25'
  await post(JSON.stringify({ jsonrpc: '2.0', method: 'notifications/initialized' }))
  const stream = await ask({ method: 'GET' })
  void readEvents(stream, onEvent).catch((error: unknown) => {
    if (!ended.signal.aborted) throw error
  })
  return { post, close: () => ended.abort() }
}

async function readEvents(response: Response, onEvent: (data: string) => void): Promise<void> {
  let rest = ''
  for await (const chunk of (response.body ?? new ReadableStream()).pipeThrough(new TextDecoderStream())) {
    const lines = `${rest}${chunk}`.split('\n')
    rest = lines.pop() ?? ''
    for (const line of lines) if (line.startsWith('data:')) onEvent(line.slice('data:'.length).trim())
  }
}
