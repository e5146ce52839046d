import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'

export interface SentEvent {
  readonly id: string
  readonly name: string
  readonly data: Record<string, unknown>
}

export interface EventApi {
  readonly url: URL
  /** Every batch that was accepted. */
  readonly batches: SentEvent[][]
  /** URLs under which the app registered its functions. */
  readonly registered: string[]
  /** Calls so far, the refused ones included. */
  calls: number
  /** `hang` takes the call and never answers; `lost` accepts it and cuts the connection. */
  mode: 'ok' | 'hang' | 'lost' | number
  listen(): Promise<void>
  close(): Promise<void>
}

/** Stands in for `POST /e/:key` and `POST /fn/register` of the Inngest server. */
export async function startEventApi(key: string): Promise<EventApi> {
  const server = createServer(async (req, res) => {
    api.calls += 1
    let text = ''
    for await (const chunk of req) text += chunk
    if (api.mode === 'hang') return
    if (typeof api.mode === 'number') return void res.writeHead(api.mode).end('{"error":"no"}')
    if (req.url?.startsWith('/fn/register')) {
      api.registered.push(JSON.parse(text).url)
      return void res.writeHead(200, { 'content-type': 'application/json' }).end('{"ok":true}')
    }
    if (req.url !== `/e/${key}`) return void res.writeHead(401).end()
    const events: SentEvent[] = JSON.parse(text)
    api.batches.push(events)
    if (api.mode === 'lost') return void req.socket.destroy()
    res.writeHead(200, { 'content-type': 'application/json' })
    res.end(JSON.stringify({ ids: events.map(({ id }) => id), status: 200 }))
  })
  let port = 0
  const listen = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  await listen()
  port = (server.address() as AddressInfo).port
  const api: EventApi = {
    url: new URL(`http://127.0.0.1:${port}`),
    batches: [],
    registered: [],
    calls: 0,
    mode: 'ok',
    listen,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve())
        server.closeAllConnections()
      }),
  }
  return api
}
