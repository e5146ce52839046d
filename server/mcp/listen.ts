import type { IncomingMessage, ServerResponse } from 'node:http'
import * as z from 'zod'
import type { Caller } from './context.ts'
import { EventStream } from './event-stream.ts'
import { acceptsStream } from './http-reply.ts'
import { CODES, type JSONRPCRequest, RpcError } from './message.ts'
import { META, stampModern } from './modern.ts'
import type { Streams } from './streams.ts'
import type { Surface } from './surface.ts'
import type { Updates } from './updates.ts'

const MOST_URIS = 500

const paramsSchema = z.looseObject({
  notifications: z.looseObject({ resourceSubscriptions: z.array(z.string()).max(MOST_URIS).optional() }),
})

/**
 * `subscriptions/listen` of the stateless era: a POST whose answer is a stream of what the client asked to hear, until either
 * side ends it. Says first which wishes it grants; resources the caller may not watch are left out, as if they did not exist.
 * Source: MCP 2026-07-28, subscriptions.
 *
 * @throws RpcError 400 when the params have another shape; HttpError 429 when the key has too many streams.
 */
export async function listen(
  o: { readonly surface: Surface; readonly streams: Streams; readonly updates: Updates },
  request: JSONRPCRequest,
  { identity }: Caller,
  { req, res }: { req: IncomingMessage; res: ServerResponse },
): Promise<void> {
  const params = paramsSchema.safeParse(request.params)
  if (!params.success || !acceptsStream(req)) {
    throw new RpcError(
      400,
      CODES.invalidParams,
      'Needs params.notifications, and a client that accepts text/event-stream',
    )
  }
  o.streams.checkRoom(identity.keyId)
  const wishes = params.data.notifications.resourceSubscriptions
  const uris = new Set<string>()
  for (const uri of wishes ?? []) if (await o.surface.canWatch(uri, { identity })) uris.add(uri)

  const _meta = { [`${META}subscriptionId`]: request.id }
  const stream = new EventStream(res)
  const notify = (method: string, rest: Record<string, unknown>) =>
    stream.send({ jsonrpc: '2.0', method, params: { ...rest, _meta: { ...Object(rest._meta), ..._meta } } })
  const farewell = () =>
    stream.send(stampModern(request.method, { jsonrpc: '2.0', id: request.id, result: { _meta } }))
  const stopHearing = o.updates.add({
    identity,
    uris,
    send: (uri, preview) => notify('notifications/resources/updated', { uri, _meta: preview }),
  })
  stream.onClose(stopHearing)
  o.streams.add({ stream, identity, sessionId: undefined, farewell })
  notify('notifications/subscriptions/acknowledged', {
    notifications: wishes === undefined ? {} : { resourceSubscriptions: [...uris] },
  })
}
