import { setTimeout as delay } from 'node:timers/promises'
import type { Listener } from '../db/listener.ts'
import type { ToolContext } from '../mcp/tool.ts'

/** Also how often we look without being told, in case a notice went missing. */
const TICK_MS = 5_000

/** What the trigger `notify_message` tells. */
export interface MessageNotice {
  readonly message: string
  readonly contact: string
  readonly direction: string
}

/**
 * Looks now, and again whenever something of concern is announced, until there is something to see or time is up. Between two
 * looks it holds no connection to the database.
 *
 * @returns what `look` found; `undefined` when the time ran out or nobody waits any more.
 */
export async function waitFor<T>(
  listener: Listener,
  { signal, progress }: Pick<ToolContext, 'signal' | 'progress'>,
  o: {
    readonly timeoutS: number
    readonly what: string
    readonly concerns: (notice: MessageNotice) => boolean
    readonly look: () => Promise<T | undefined>
  },
): Promise<T | undefined> {
  const started = Date.now()
  const elapsedMs = () => Date.now() - started
  let wake = new AbortController()
  const unsubscribe = listener.on('messages', {
    onNotice: (payload) => {
      if (payload === '' || o.concerns(JSON.parse(payload) as MessageNotice)) wake.abort()
    },
  })
  const abandon = () => wake.abort()
  signal.addEventListener('abort', abandon)
  try {
    for (;;) {
      // Before the look, so that what happens meanwhile leads to another one.
      wake = new AbortController()
      const found = await o.look()
      const leftMs = o.timeoutS * 1_000 - elapsedMs()
      if (found !== undefined || leftMs <= 0 || signal.aborted) return found
      await delay(Math.min(TICK_MS, leftMs), undefined, { signal: wake.signal }).then(
        () => progress(Math.round(elapsedMs() / 1_000), o.timeoutS, o.what),
        () => {},
      )
    }
  } finally {
    unsubscribe()
    signal.removeEventListener('abort', abandon)
  }
}
