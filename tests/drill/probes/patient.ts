import { setTimeout as sleep } from 'node:timers/promises'

/** The proxy gives a place back every second; the scenario before may have used up all of them. */
const PAUSE_MS = 2_000
const TRIES = 10

/** `fetch` as a client has it that takes 429 for what it says: the same request, a little later. */
export async function patientFetch(...request: Parameters<typeof fetch>): Promise<Response> {
  for (let tries = 1; ; tries += 1) {
    const response = await fetch(...request)
    if (response.status !== 429 || tries === TRIES) return response
    await response.body?.cancel()
    await sleep(PAUSE_MS)
  }
}
