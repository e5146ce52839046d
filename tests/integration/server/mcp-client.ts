import { request } from 'node:http'
import { rpc } from './harness.ts'

export interface Answer {
  readonly id?: unknown
  readonly method?: string
  readonly params?: Record<string, unknown>
  readonly result?: Record<string, unknown>
  readonly error?: { readonly code: number; readonly message: string; readonly data?: unknown }
}

let lastId = 0

/** A client of the handshake era, by hand: what it sends is what the test says. */
export async function openSession(
  origin: string,
  token: string,
  capabilities: Record<string, unknown> = {},
): Promise<{
  readonly id: string
  send(method: string, params?: unknown): Promise<Answer>
  post(body: unknown): Promise<Response>
}> {
  const params = { protocolVersion: '2025-11-25', capabilities, clientInfo: { name: 'tests', version: '1' } }
  const response = await rpc(origin, token, { jsonrpc: '2.0', id: 0, method: 'initialize', params })
  const id = response.headers.get('mcp-session-id') ?? ''
  await response.text()
  const post = (body: unknown) => rpc(origin, token, body, { 'mcp-session-id': id })
  return {
    id,
    post,
    send: async (method, params) => {
      lastId += 1
      return (await (await post({ jsonrpc: '2.0', id: lastId, method, params })).json()) as Answer
    },
  }
}

export interface Heard {
  readonly status: number
  /** JSON-RPC messages so far. */
  readonly messages: readonly Answer[]
  /** Comments so far. */
  readonly beats: number
  readonly ended: boolean
  /** Cuts the connection. */
  cut(): void
}

/** Opens a stream and keeps what comes. */
export function hear(
  origin: string,
  token: string,
  o: { method: 'GET' | 'POST'; headers?: Record<string, string>; body?: unknown },
): Promise<Heard> {
  return new Promise((resolve, reject) => {
    const headers = {
      authorization: `Bearer ${token}`,
      accept: 'application/json, text/event-stream',
      'content-type': 'application/json',
      ...o.headers,
    }
    const req = request(`${origin}/mcp`, { method: o.method, headers, agent: false }, (res) => {
      const messages: Answer[] = []
      const heard = {
        status: res.statusCode ?? 0,
        messages,
        beats: 0,
        ended: false,
        cut: () => req.destroy(),
      }
      let rest = ''
      res.setEncoding('utf8').on('data', (text: string) => {
        const events = (rest + text).split('\n\n')
        rest = events.pop() ?? ''
        for (const event of events) {
          const data = /^data: (.*)$/m.exec(event)?.[1]
          if (data === undefined) heard.beats += 1
          else messages.push(JSON.parse(data))
        }
      })
      res.on('error', () => {})
      res.on('close', () => {
        heard.ended = true
      })
      resolve(heard)
    })
    req.on('error', reject)
    req.end(o.body === undefined ? undefined : JSON.stringify(o.body))
  })
}

export const META = 'io.modelcontextprotocol/'

/** A request of the stateless era, with the headers that repeat it. */
export function modern(
  method: string,
  params: Record<string, unknown> = {},
  capabilities: Record<string, unknown> = {},
) {
  lastId += 1
  const _meta = { [`${META}protocolVersion`]: '2026-07-28', [`${META}clientCapabilities`]: capabilities }
  const name = params.name ?? params.uri
  return {
    body: { jsonrpc: '2.0', id: `m${lastId}`, method, params: { ...params, _meta } },
    headers: {
      'mcp-protocol-version': '2026-07-28',
      'mcp-method': method,
      ...(typeof name === 'string' && { 'mcp-name': name }),
    } as Record<string, string>,
  }
}
