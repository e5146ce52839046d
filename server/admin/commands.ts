import { approvalCommands } from './approvals.ts'
import { appCommands } from './apps.ts'
import { auditCommands } from './audit.ts'
import { clientCommands } from './clients.ts'
import type { Command } from './command.ts'
import { eventCommands } from './events.ts'
import { grantCommands } from './grants.ts'
import { keyCommands } from './keys.ts'
import { mediaCommands } from './media.ts'
import { numberCommands } from './numbers.ts'
import { outboxCommands } from './outbox.ts'
import { usageCommands } from './usage.ts'

/** Everything an operator can say; the help and the reference are made from it. */
export const COMMANDS: readonly Command[] = [
  ...clientCommands,
  ...keyCommands,
  ...grantCommands,
  ...numberCommands,
  ...appCommands,
  ...mediaCommands,
  ...eventCommands,
  ...outboxCommands,
  ...approvalCommands,
  ...auditCommands,
  ...usageCommands,
]

export const GROUPS: ReadonlySet<string> = new Set(COMMANDS.map(({ name }) => name.split(' ')[0] ?? name))
