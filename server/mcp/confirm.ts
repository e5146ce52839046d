import * as z from 'zod'
import { argumentHash } from '../tools/argument-hash.ts'
import { InputRequired, type RequestContext, type Retry } from './context.ts'
import { isRecord } from './message.ts'
import type { RequestStates } from './request-state.ts'
import type { ToolContext } from './tool.ts'

/** A person needs time to read; the call as a whole has 35 s. */
const ANSWER_MS = 30_000
const QUESTION = 'confirm'

const answerSchema = z.object({
  action: z.enum(['accept', 'decline', 'cancel']),
  content: z.looseObject({ confirm: z.boolean().optional() }).optional(),
})

/**
 * How a tool asks the person at the client, by whatever way the era and the client have. A client vouches for its person as it
 * does for everything else; that is why only the operator can allow this at all.
 */
export function createConfirm(
  context: RequestContext,
  states: RequestStates,
  call: { readonly name: string; readonly args: unknown },
): ToolContext['confirm'] {
  return async (question, detail) => {
    if (!offersForms(context.clientCapabilities)) return 'unavailable'
    const params = form(question, detail)
    if (context.retry) {
      const subject = [context.identity.clientId, call.name, argumentHash(call.args ?? {})].join('\n')
      return confirmByRetry(context.retry, states, subject, params)
    }
    if (context.ask === undefined) return 'unavailable'
    // Whoever does not answer in time has not said no.
    const answer = await context.ask('elicitation/create', params, ANSWER_MS).catch(() => undefined)
    return answer === undefined ? 'unavailable' : meaningOf(answer)
  }
}

function confirmByRetry(retry: Retry, states: RequestStates, subject: string, params: object): 'yes' | 'no' {
  const answer = retry.inputResponses[QUESTION]
  const isOurs = retry.requestState !== undefined && states.open(subject, retry.requestState) !== undefined
  if (isOurs && answer !== undefined) return meaningOf(answer)
  throw new InputRequired({
    inputRequests: { [QUESTION]: { method: 'elicitation/create', params } },
    requestState: states.seal(subject, null),
  })
}

function form(question: string, detail: Readonly<Record<string, unknown>>) {
  const lines = Object.entries(detail).map(
    ([name, value]) => `${name}: ${typeof value === 'string' ? value : JSON.stringify(value)}`,
  )
  return {
    message: [question, ...lines].join('\n'),
    requestedSchema: {
      type: 'object',
      properties: { confirm: { type: 'boolean', title: 'Go ahead', default: false } },
      required: ['confirm'],
    },
  }
}

/** Anything but a clear yes is a no. */
function meaningOf(answer: unknown): 'yes' | 'no' {
  const parsed = answerSchema.safeParse(answer)
  return parsed.success && parsed.data.action === 'accept' && parsed.data.content?.confirm ? 'yes' : 'no'
}

/** An empty capability means forms, for clients from before there were other kinds. */
function offersForms({ elicitation }: RequestContext['clientCapabilities']): boolean {
  return isRecord(elicitation) && (elicitation.form !== undefined || elicitation.url === undefined)
}
