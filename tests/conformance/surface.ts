import type { RequestContext } from '../../server/mcp/context.ts'
import { CODES, RpcError } from '../../server/mcp/message.ts'
import type { RequestStates } from '../../server/mcp/request-state.ts'
import type { Surface } from '../../server/mcp/surface.ts'
import { UnknownTool } from '../../server/tools/dispatch.ts'
import { answersTo, elicit, PNG, tools } from './fixtures.ts'

const argument = (name: string) => ({ name, description: name, required: true })

/** The resources the suite reads; a template gives its id. */
const RESOURCES: readonly [RegExp, { uri?: string; mimeType: string; contents: (id: string) => object }][] = [
  [
    /^test:\/\/static-text$/,
    {
      uri: 'test://static-text',
      mimeType: 'text/plain',
      contents: () => ({ text: 'This is the content of the static text resource.' }),
    },
  ],
  [
    /^test:\/\/static-binary$/,
    { uri: 'test://static-binary', mimeType: 'image/png', contents: () => ({ blob: PNG }) },
  ],
  [
    /^test:\/\/watched-resource$/,
    { uri: 'test://watched-resource', mimeType: 'text/plain', contents: () => ({ text: 'watched' }) },
  ],
  [
    /^test:\/\/template\/([^/]+)\/data$/,
    {
      mimeType: 'application/json',
      contents: (id) => ({ text: JSON.stringify({ id, templateTest: true, data: `Data for ID: ${id}` }) }),
    },
  ],
]

const user = (content: object) => ({ role: 'user', content })
const said = (text: string) => user({ type: 'text', text })

/** What the suite gets to see in place of WhatsApp; everything below it is what runs in production. */
export function createTestSurface(states: RequestStates): Surface {
  return {
    capabilities: { tools: {}, resources: { subscribe: true }, prompts: {}, completions: {}, logging: {} },
    instructions: 'For the conformance suite.',
    listTools: () =>
      Object.keys(tools).map((name) => ({
        name,
        description: name,
        inputSchema: { type: 'object', properties: {} },
      })),
    callTool: async (name, args, context) => {
      const tool = Object.hasOwn(tools, name) ? tools[name] : undefined
      if (tool === undefined) throw new UnknownTool(name)
      try {
        return { content: await tool(args ?? {}, context, states) }
      } catch (error) {
        if (!(error instanceof Error) || error.name !== 'Error') throw error
        return { isError: true, content: [{ type: 'text', text: error.message }] }
      }
    },
    listResources: async () =>
      RESOURCES.flatMap(([, { uri, mimeType }]) => (uri ? [{ uri, name: uri, mimeType }] : [])),
    listResourceTemplates: () => [
      { uriTemplate: 'test://template/{id}/data', name: 'template', mimeType: 'application/json' },
    ],
    readResource: async (uri) => {
      for (const [pattern, { mimeType, contents }] of RESOURCES) {
        const match = pattern.exec(uri)
        if (match) return [{ uri, mimeType, ...contents(match[1] ?? '') }]
      }
      return undefined
    },
    canWatch: async (uri) => uri === 'test://watched-resource',
    listPrompts: () => [
      { name: 'test_simple_prompt', description: 'A text' },
      {
        name: 'test_prompt_with_arguments',
        description: 'Two',
        arguments: [argument('arg1'), argument('arg2')],
      },
      {
        name: 'test_prompt_with_embedded_resource',
        description: 'One',
        arguments: [argument('resourceUri')],
      },
      { name: 'test_prompt_with_image', description: 'A picture' },
      { name: 'test_input_required_result_prompt', description: 'Asks' },
    ],
    getPrompt: async (name, args, context) => ({ messages: promptMessages(name, args, context) }),
    complete: async () => ['paris', 'park', 'party'],
  }
}

function promptMessages(name: string, args: Readonly<Record<string, string>>, context: RequestContext) {
  if (name === 'test_simple_prompt') return [said('This is a simple prompt for testing.')]
  if (name === 'test_prompt_with_arguments')
    return [said(`Prompt with arguments: arg1='${args.arg1}', arg2='${args.arg2}'`)]
  if (name === 'test_prompt_with_embedded_resource') {
    const resource = {
      uri: args.resourceUri,
      mimeType: 'text/plain',
      text: 'Embedded resource content for testing.',
    }
    return [user({ type: 'resource', resource }), said('Please process the embedded resource above.')]
  }
  if (name === 'test_prompt_with_image')
    return [
      user({ type: 'image', data: PNG, mimeType: 'image/png' }),
      said('Please analyze the image above.'),
    ]
  if (name === 'test_input_required_result_prompt') {
    const question = elicit('What context should the prompt use?', { context: { type: 'string' } })
    return [said(JSON.stringify(answersTo({ user_context: question }, context)))]
  }
  throw new RpcError(200, CODES.invalidParams, 'Unknown prompt')
}
