import * as z from 'zod'
import { signCall } from './signature.ts'

const opsSchema = z.array(
  z.looseObject({
    id: z.string(),
    op: z.string(),
    data: z.unknown().optional(),
    error: z.unknown().optional(),
  }),
)

export interface Run {
  readonly outcome: 'done' | 'failed'
  /** Calls to the app. */
  readonly calls: number
  /** Tries of the step, the last one included. */
  readonly attempts: number
  /** What the app asked us to wait for, in seconds, before each further try. */
  readonly retryAfter: (string | null)[]
}

/** Stands in for the Inngest server's executor: runs one function for one event over HTTP, signed, without any waiting. */
export async function execute(o: {
  url: string
  key: string
  functionId: string
  maxAttempts: number
  event: { id: string; name: string; data: Record<string, unknown> }
}): Promise<Run> {
  const steps: Record<string, unknown> = {}
  const retryAfter: (string | null)[] = []
  let attempt = 0
  for (let calls = 1; calls <= 50; calls++) {
    const body = {
      version: 2,
      ctx: {
        run_id: 'run-1',
        fn_id: '',
        attempt,
        max_attempts: o.maxAttempts,
        stack: { stack: Object.keys(steps), current: Object.keys(steps).length },
      },
      event: { ...o.event, ts: Date.now() },
      events: [{ ...o.event, ts: Date.now() }],
      steps,
    }
    const response = await fetch(`${o.url}?fnId=${o.functionId}&stepId=step`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', 'x-inngest-signature': signCall(o.key, body) },
      body: JSON.stringify(body),
    })
    const answer: unknown = await response.json()
    const end = (outcome: Run['outcome']): Run => ({ outcome, calls, attempts: attempt + 1, retryAfter })
    if (response.status === 200) return end('done')
    if (response.status === 400) return end('failed')
    const failed = () => {
      if (response.headers.get('x-inngest-no-retry') === 'true' || attempt + 1 >= o.maxAttempts) return true
      retryAfter.push(response.headers.get('retry-after'))
      attempt += 1
      return false
    }
    if (response.status === 500) {
      if (failed()) return end('failed')
      continue
    }
    for (const { id, op, data, error } of opsSchema.parse(answer)) {
      if (op === 'RunComplete') return end('done')
      if (op === 'StepRun') steps[id] = { type: 'data', data: data ?? null }
      else if (op === 'StepFailed' || (op === 'StepError' && failed())) steps[id] = { type: 'error', error }
      else if (op !== 'StepError') throw new Error(`the executor does not know ${op}`)
    }
  }
  throw new Error('the run does not end')
}
