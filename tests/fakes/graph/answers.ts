import { createHash, randomBytes } from 'node:crypto'
import type { IncomingMessage, ServerResponse } from 'node:http'
import { GraphFailure } from './failure.ts'
import type { Json } from './json.ts'

/** The same person always has the same user id. */
export function contact(to: string): Json {
  if (!to.startsWith('+')) return { input: to, user_id: to }
  const hash = createHash('sha256').update(to).digest().readBigUInt64BE().toString()
  return { input: to, wa_id: to.slice(1), user_id: `US.${hash}` }
}

/** What Graph says of a number. */
export function describe(id: string): Json {
  return {
    id,
    display_phone_number: '+1 555-000-1111',
    verified_name: 'Test',
    quality_rating: 'GREEN',
    status: 'CONNECTED',
    throughput: { level: 'STANDARD' },
    whatsapp_business_manager_messaging_limit: 'TIER_1K',
    health_status: { can_send_message: 'AVAILABLE' },
  }
}

export async function read(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = []
  for await (const chunk of message) chunks.push(chunk)
  return Buffer.concat(chunks)
}

export function parse(raw: Buffer, contentType = ''): Json {
  if (!contentType.startsWith('application/json')) return {}
  try {
    return JSON.parse(raw.toString())
  } catch {
    throw new GraphFailure(100, 'the body is not JSON')
  }
}

export function json(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(body))
}

export function digits(length: number): string {
  return Array.from(randomBytes(length), (byte, n) => (n === 0 ? (byte % 9) + 1 : byte % 10)).join('')
}
