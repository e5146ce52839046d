import type { InngestConfig } from '../config/env.ts'
import type { RelayRow } from './relay-rows.ts'

/** The Inngest server is away, or refuses us. */
export class EventApiError extends Error {
  override readonly name = 'EventApiError'
}

/**
 * Hands events to the Inngest server, by hand because the SDK waits for a silent server without end. An event that is handed
 * over twice within a day runs once: its id is that of the outbox row.
 *
 * @throws EventApiError unless the server took them all.
 */
export async function postEvents(
  { baseUrl, eventKey }: InngestConfig,
  rows: readonly RelayRow[],
  timeoutMs: number,
): Promise<void> {
  const url = `${baseUrl.href.replace(/\/$/, '')}/e/${encodeURIComponent(eventKey.reveal())}`
  const events = rows.map(({ id, name, data, key }) => {
    const eventId = `outbox:${id}`
    // Events without a key compete with none, so each gets one of its own.
    return { id: eventId, name, data: { ...data, _key: key || eventId } }
  })
  const response = await fetch(url, {
    method: 'POST',
    headers: { 'content-type': 'application/json' },
    body: JSON.stringify(events),
    redirect: 'error',
    signal: AbortSignal.timeout(timeoutMs),
  }).catch((error: unknown) => {
    throw new EventApiError(`the event API did not answer: ${causeOf(error)}`)
  })
  await response.body?.cancel()
  if (response.status !== 200) throw new EventApiError(`the event API answered ${response.status}`)
}

/** The code behind fetch's own words, which say nothing. */
function causeOf(error: unknown): string {
  if (!(error instanceof Error)) return typeof error
  const { cause } = error
  return cause instanceof Error && 'code' in cause ? String(cause.code) : error.name
}
