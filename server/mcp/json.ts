const texts = new WeakMap<object, string>()

/**
 * A message as JSON. The list of tools is the same for everybody and some 50 KB: it is written once and from then on put in as
 * text, which is most of the cost of `tools/list`.
 */
export function toJson(message: unknown): string {
  const { result } = message as { result?: { tools?: unknown } }
  const tools = result?.tools
  if (!Array.isArray(tools)) return JSON.stringify(message)
  const text = texts.get(tools) ?? JSON.stringify(tools)
  texts.set(tools, text)
  const frame = JSON.stringify({ ...(message as object), result: { ...result, tools: [] } })
  // Within strings quotes are escaped, so this can only be the place itself.
  return frame.replace('"tools":[]', () => `"tools":${text}`)
}
