import { randomUUID } from 'node:crypto'
import type { Readable, Writable } from 'node:stream'
import { setTimeout as delay } from 'node:timers/promises'
import { StdioServerTransport } from '@modelcontextprotocol/sdk/server/stdio.js'
import type { RequestId } from '@modelcontextprotocol/sdk/types.js'
import type { Identity } from './auth/identity.ts'
import type { AppConfig } from './config/env.ts'
import { createCore } from './core.ts'
import type { Database } from './db/pool.ts'
import type { Logger } from './log.ts'
import { RequestStates } from './mcp/request-state.ts'
import { createSdkServer } from './mcp/sdk-server.ts'
import { Updates } from './mcp/updates.ts'
import { createWhatsapp } from './mcp/whatsapp.ts'
import { prompts } from './prompts/all.ts'
import { resources } from './resources/all.ts'

/** How long answers under way may still take once the client has closed its side. */
const LAST_ANSWERS_MS = 5_000

/** There is nobody to act for. */
export class NoOwner extends Error {
  override readonly name = 'NoOwner'
}

/**
 * Serves the owner over standard input and output until the input ends; whoever may start this process has the host anyway.
 * What is sent leaves through the running server, which owns the outbox. Source: MCP 2025-11-25, Transports > stdio.
 *
 * @throws NoOwner when no client is marked as the owner.
 */
export async function serveStdio(
  config: AppConfig,
  log: Logger,
  { input, output }: { input: Readable; output: Writable } = { input: process.stdin, output: process.stdout },
): Promise<void> {
  const core = createCore(config, log)
  try {
    const identity = await findOwner(core.sql)
    const states = new RequestStates(config.pepper)
    const surface = createWhatsapp({ ...core, resources, prompts, states })
    const uris = new Set<string>()
    const server = createSdkServer({
      surface,
      log,
      contextOf: () => {
        const clientCapabilities = { ...server.getClientCapabilities() }
        return {
          ...{ identity, requestId: randomUUID(), ip: undefined, transport: 'stdio', clientCapabilities },
          ...{ canAsk: true, retry: undefined },
          subscriptions: {
            add: async (uri) => void uris.add(uri),
            remove: async (uri) => void uris.delete(uri),
          },
        }
      },
      outcomeOf: () => ({}),
    })
    const updates = new Updates({
      ...core,
      canWatch: (uri, caller) => surface.canWatch(uri, { identity: caller }),
      log,
    })
    updates.add({
      identity,
      uris,
      send: (uri, _meta) =>
        void server.notification({ method: 'notifications/resources/updated', params: { uri, _meta } }),
    })
    server.onerror = (err) => log.warn({ err }, 'stdio_message_refused')
    const transport = new CountingTransport(input, output)
    const over = new Promise<void>((resolve) => input.once('end', resolve).once('close', resolve))
    await server.connect(transport)
    log.info('listening')
    await over
    await transport.idle(LAST_ANSWERS_MS)
    updates.close()
    await server.close()
  } finally {
    await core.close()
  }
}

async function findOwner(sql: Database): Promise<Identity> {
  const [owner] = await sql<{ id: string; name: string }[]>`
    select id, name from clients where is_owner and disabled_at is null`
  if (owner === undefined) {
    throw new NoOwner(
      'No client is the owner: create one with `clients create --name NAME --display-name TEXT --owner`.',
    )
  }
  const { id: clientId, name: clientName } = owner
  return {
    keyId: null,
    clientId,
    clientName,
    isOwner: true,
    scopes: ['*'],
    rpmLimit: 100_000,
    dailyMsgLimit: 1_000_000,
  }
}

/** Knows whether every request has its answer, so that input from a pipe is answered before the process ends. */
class CountingTransport extends StdioServerTransport {
  readonly #open = new Set<RequestId>()

  override async start(): Promise<void> {
    const deliver = this.onmessage
    this.onmessage = (message) => {
      if ('method' in message && 'id' in message) this.#open.add(message.id)
      deliver?.(message)
    }
    await super.start()
  }

  override async send(message: Parameters<StdioServerTransport['send']>[0]): Promise<void> {
    await super.send(message)
    if (!('method' in message) && message.id !== undefined) this.#open.delete(message.id)
  }

  async idle(mostMs: number): Promise<void> {
    const until = performance.now() + mostMs
    while (this.#open.size > 0 && performance.now() < until) await delay(20)
  }
}
