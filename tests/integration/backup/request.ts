import type { PostgresTools } from '../../../scripts/backup/postgres.ts'
import type { SetRequest } from '../../../scripts/backup/set.ts'
import { Secret } from '../../../secrets/secret.ts'

export const KEY = new Secret('ab'.repeat(32))

export function requestFor(o: {
  tools: PostgresTools
  directory: string
  recipient: string
  root: string
  now?: Date
  allowShrink?: boolean
}): SetRequest {
  return {
    key: KEY,
    allowShrink: false,
    facts: async () => ({ commit: 'unknown', host: 'wa', images: {} }),
    progress: () => {},
    ...o,
  }
}
