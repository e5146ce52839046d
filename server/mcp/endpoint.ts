import type { Secret } from '../../secrets/secret.ts'
import type { Audit } from '../audit/audit.ts'
import type { Authenticator } from '../auth/authenticator.ts'
import type { Grants } from '../auth/grants.ts'
import type { LastUsed } from '../auth/last-used.ts'
import type { RequestLimits } from '../auth/limits.ts'
import type { Listener } from '../db/listener.ts'
import type { Database } from '../db/pool.ts'
import type { Handler } from '../http/reply.ts'
import type { Logger } from '../log.ts'
import type { Numbers } from '../numbers/numbers.ts'
import { prompts } from '../prompts/all.ts'
import { resources } from '../resources/all.ts'
import type { Dispatcher } from '../tools/dispatch.ts'
import { createGate } from './gate.ts'
import { createHttpFront } from './http-front.ts'
import { RequestStates } from './request-state.ts'
import { createWhatsapp } from './whatsapp.ts'

export interface McpOptions {
  readonly authenticator: Authenticator
  readonly limits: RequestLimits
  readonly lastUsed: LastUsed
  readonly dispatcher: Dispatcher
  readonly grants: Grants
  readonly numbers: Numbers
  readonly listener: Listener
  readonly audit: Audit
  readonly sql: Database
  readonly publicUrl: URL
  /** The same in every process: what one seals, another opens. */
  readonly stateSecret: Secret
  readonly log: Logger
}

export interface McpEndpoint {
  readonly handler: Handler
  /** Ends every open stream and opens no more, so that the server can stop. What is asked meanwhile is answered as ever. */
  drain(): Promise<void>
}

/** `/mcp`: Streamable HTTP in both eras of the protocol, for whoever has a key. */
export function createMcpEndpoint(options: McpOptions): McpEndpoint {
  const { authenticator, limits, lastUsed, dispatcher, grants, sql, audit, publicUrl, log } = options
  const gate = createGate({
    authenticate: (header) => authenticator.authenticate(header),
    noteUse: (keyId) => lastUsed.note(keyId),
    ...{ limits, audit, publicUrl, log },
  })
  const states = new RequestStates(options.stateSecret)
  const surface = createWhatsapp({ dispatcher, resources, prompts, grants, sql, states })
  return createHttpFront({ ...options, gate, surface })
}
