import type { CallToolResult, Tool as ToolDefinition } from '@modelcontextprotocol/sdk/types.js'
import * as z from 'zod'

/** What a model can call. Kept free of the SDK, so that a move to another one touches the engine only. */
export interface Tool<Input extends z.ZodObject = z.ZodObject, Output extends z.ZodObject = z.ZodObject> {
  /** Lower snake case. */
  readonly name: string
  readonly title: string
  /** One sentence, for the model. */
  readonly description: string
  readonly input: Input
  readonly output: Output
  readonly readOnly: boolean
  run(input: z.infer<Input>): z.infer<Output> | Promise<z.infer<Output>>
}

/** The tool as `tools/list` shows it. */
export function define(tool: Tool): ToolDefinition {
  return {
    name: tool.name,
    title: tool.title,
    description: tool.description,
    inputSchema: z.toJSONSchema(tool.input, { io: 'input' }) as ToolDefinition['inputSchema'],
    outputSchema: z.toJSONSchema(tool.output) as ToolDefinition['outputSchema'],
    annotations: { readOnlyHint: tool.readOnly },
  }
}

/** Wrong arguments are a result with `isError`, not a protocol error, so that the model can correct itself (MCP, Tools > Error handling). */
export async function call(tool: Tool, input: unknown): Promise<CallToolResult> {
  const parsed = tool.input.safeParse(input ?? {})
  if (!parsed.success) {
    return {
      isError: true,
      content: [{ type: 'text', text: `Invalid arguments: ${z.prettifyError(parsed.error)}` }],
    }
  }
  const output = await tool.run(parsed.data)
  return { content: [{ type: 'text', text: JSON.stringify(output) }], structuredContent: output }
}
