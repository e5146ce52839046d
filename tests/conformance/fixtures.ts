import { setTimeout as delay } from 'node:timers/promises'
import { InputRequired, type RequestContext } from '../../server/mcp/context.ts'
import { CODES, isRecord, RpcError } from '../../server/mcp/message.ts'
import type { RequestStates } from '../../server/mcp/request-state.ts'

/** The tools the official suite asks a server under test to have, by what their descriptions in the suite demand. */

type Json = Readonly<Record<string, unknown>>
export type FixtureTool = (
  args: Json,
  context: RequestContext,
  states: RequestStates,
) => Promise<readonly Json[]> | readonly Json[]

/** A picture of one pixel. */
export const PNG =
  'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
/** The header of a sound without samples. */
const WAV = 'UklGRiQAAABXQVZFZm10IBAAAAABAAEAQB8AAEAfAAABAAgAZGF0YQAAAAA='

const text = (value: string) => [{ type: 'text', text: value }]
const image = { type: 'image', data: PNG, mimeType: 'image/png' }
const embedded = (uri: string, mimeType: string, value: string) => ({
  type: 'resource',
  resource: { uri, mimeType, text: value },
})

export const elicit = (message: string, properties: Json, required = Object.keys(properties)) => ({
  method: 'elicitation/create',
  params: { message, requestedSchema: { type: 'object', properties, required } },
})
const complete = (question: string) => ({
  method: 'sampling/createMessage',
  params: { messages: [{ role: 'user', content: { type: 'text', text: question } }], maxTokens: 100 },
})
const roots = { method: 'roots/list', params: {} }
const name = elicit('What is your name?', { name: { type: 'string' } })

/** Answers to all the questions, or the questions once more. */
export function answersTo(
  inputRequests: Json,
  { retry }: RequestContext,
  requestState?: string,
): Readonly<Record<string, Json>> {
  const given = retry?.inputResponses ?? {}
  if (Object.keys(inputRequests).every((key) => isRecord(given[key]))) return given as Record<string, Json>
  throw new InputRequired({ inputRequests, ...(requestState && { requestState }) })
}

/** A tool that asks once and trusts only its own state. */
const withState =
  (subject: string, inputRequests: Json): FixtureTool =>
  (_, context, states) => {
    const state = context.retry?.requestState
    if (state !== undefined) states.open(subject, state)
    answersTo(inputRequests, context, states.seal(subject, null))
    return text(state === undefined ? 'no state' : 'state-ok')
  }

async function ask({ ask }: RequestContext, message: string, properties: Json, required: string[] = []) {
  if (ask === undefined) throw new RpcError(200, CODES.invalidRequest, 'This client cannot be asked')
  const { action, content } = await ask(
    'elicitation/create',
    elicit(message, properties, required).params,
    5_000,
  )
  return text(`Elicitation completed: action=${action}, content=${JSON.stringify(content)}`)
}

const confirm = { confirm: elicit('Please confirm', { ok: { type: 'boolean' } }) }
const options = ['option1', 'option2', 'option3']
const titled = ['First', 'Second', 'Third'].map((title, n) => ({
  const: `value${n + 1}`,
  title: `${title} Option`,
}))

export const tools: Readonly<Record<string, FixtureTool>> = {
  test_simple_text: () => text('This is a simple text response for testing.'),
  test_image_content: () => [image],
  test_audio_content: () => [{ type: 'audio', data: WAV, mimeType: 'audio/wav' }],
  test_embedded_resource: () => [
    embedded('test://embedded-resource', 'text/plain', 'This is an embedded resource content.'),
  ],
  test_multiple_content_types: () => [
    ...text('Multiple content types test:'),
    image,
    embedded('test://mixed-content-resource', 'application/json', '{"test":"data","value":123}'),
  ],
  test_error_handling: () => {
    throw new Error('This tool intentionally returns an error for testing')
  },
  test_tool_with_logging: async (_, { notify }) => {
    for (const data of ['Tool execution started', 'Tool processing data', 'Tool execution completed']) {
      notify('notifications/message', { level: 'info', data })
      await delay(50)
    }
    return text('done')
  },
  test_tool_with_progress: async (_, { notify, progressToken }) => {
    for (const progress of [0, 50, 100]) {
      if (progressToken !== undefined)
        notify('notifications/progress', { progressToken, progress, total: 100 })
      await delay(50)
    }
    return text(String(progressToken))
  },
  test_elicitation: ({ message }, context) =>
    ask(context, String(message), { username: { type: 'string' }, email: { type: 'string' } }, [
      'username',
      'email',
    ]),
  test_elicitation_sep1034_defaults: (_, context) =>
    ask(context, 'Please review', {
      name: { type: 'string', default: 'John Doe' },
      age: { type: 'integer', default: 30 },
      score: { type: 'number', default: 95.5 },
      status: { type: 'string', enum: ['active', 'inactive', 'pending'], default: 'active' },
      verified: { type: 'boolean', default: true },
    }),
  test_elicitation_sep1330_enums: (_, context) =>
    ask(context, 'Please choose', {
      untitledSingle: { type: 'string', enum: options },
      titledSingle: { type: 'string', oneOf: titled },
      legacyEnum: {
        type: 'string',
        enum: ['opt1', 'opt2', 'opt3'],
        enumNames: ['Option One', 'Option Two', 'Option Three'],
      },
      untitledMulti: { type: 'array', items: { type: 'string', enum: options } },
      titledMulti: { type: 'array', items: { anyOf: titled } },
    }),
  test_missing_capability: (_, { clientCapabilities }) => {
    if (clientCapabilities.sampling) return text('could be asked')
    const data = { requiredCapabilities: { sampling: {} } }
    throw new RpcError(400, CODES.missingCapability, 'The client has to offer sampling', data)
  },
  test_streaming_elicitation: (_, context) => {
    if (context.progressToken !== undefined)
      context.notify('notifications/progress', { progressToken: context.progressToken, progress: 1 })
    return text(JSON.stringify(answersTo({ user_name: name }, context)))
  },
  test_logging_tool: () => text('nothing is logged to clients that did not ask for it'),
  test_input_required_result_elicitation: (_, context) => {
    const { user_name } = answersTo({ user_name: name }, context)
    return text(`Hello, ${JSON.stringify(user_name?.content)}!`)
  },
  test_input_required_result_sampling: (_, context) =>
    text(
      JSON.stringify(answersTo({ capital_question: complete('What is the capital of France?') }, context)),
    ),
  test_input_required_result_list_roots: (_, context) =>
    text(JSON.stringify(answersTo({ client_roots: roots }, context))),
  test_input_required_result_request_state: withState('state', confirm),
  test_input_required_result_tampered_state: withState('tampered', confirm),
  test_input_required_result_multiple_inputs: withState('several', {
    user_name: name,
    greeting: complete('Generate a greeting'),
    client_roots: roots,
  }),
  test_input_required_result_multi_round: (_, context, states) => {
    const state = context.retry?.requestState
    const round = state === undefined ? 1 : Number(states.open('rounds', state)?.data)
    if (round === 1) {
      const given = context.retry?.inputResponses.step1
      if (!isRecord(given)) {
        const step1 = elicit('Step 1: What is your name?', { name: { type: 'string' } })
        throw new InputRequired({ inputRequests: { step1 }, requestState: states.seal('rounds', 1) })
      }
    }
    const step2 = elicit('Step 2: What is your favorite color?', { color: { type: 'string' } })
    return text(JSON.stringify(answersTo({ step2 }, context, states.seal('rounds', 2))))
  },
  test_input_required_result_capabilities: (_, context) => {
    const { elicitation, sampling } = context.clientCapabilities
    const questions = {
      ...(elicitation !== undefined && { user_name: name }),
      ...(sampling !== undefined && { greeting: complete('Generate a greeting') }),
    }
    return text(JSON.stringify(answersTo(questions, context)))
  },
}
