import { isRecord, type JSONRPCRequest } from './message.ts'
import { stampModern } from './modern.ts'
import type { Surface } from './surface.ts'

export type Era = 'handshake' | 'stateless'

/**
 * Lists that are the same for everybody, encoded once: turning 50 KB of schemas into bytes for each caller would cost ten times
 * what the rest of the answer does.
 */
export class StaticAnswers {
  readonly #results = new Map<string, Buffer>()

  constructor(surface: Surface) {
    const lists = {
      'tools/list': { tools: surface.listTools() },
      'resources/templates/list': { resourceTemplates: surface.listResourceTemplates() },
      'prompts/list': { prompts: surface.listPrompts() },
    }
    for (const [method, result] of Object.entries(lists)) {
      const plain = { jsonrpc: '2.0' as const, id: 0, result }
      this.#results.set(`handshake ${method}`, Buffer.from(JSON.stringify(result)))
      const stamped = stampModern(method, plain)
      if ('result' in stamped)
        this.#results.set(`stateless ${method}`, Buffer.from(JSON.stringify(stamped.result)))
    }
  }

  /** @returns The whole response; `undefined` for another method, or one with parameters that somebody has to look at. */
  find({ id, method, params }: JSONRPCRequest, era: Era): Buffer | undefined {
    const result = this.#results.get(`${era} ${method}`)
    if (result === undefined || !hasOnlyMeta(params)) return undefined
    return Buffer.concat([Buffer.from(`{"jsonrpc":"2.0","id":${JSON.stringify(id)},"result":`), result, END])
  }
}

const END = Buffer.from('}')

function hasOnlyMeta(params: unknown): boolean {
  return !isRecord(params) || Object.keys(params).every((key) => key === '_meta')
}
