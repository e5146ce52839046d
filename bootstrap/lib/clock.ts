import { type Choice, missingPackages } from './apt.ts'
import type { Context } from './context.ts'

/** Any of them keeps the clock right; two would fight over it. */
const KEEPERS = ['chrony', 'ntpsec', 'openntpd', 'systemd-timesyncd']

/** Signatures, certificates and tokens depend on the time. What the provider chose stays. */
export function clockPackages(context: Context): Choice {
  const none = async () => (await missingPackages(context, KEEPERS)).length === KEEPERS.length
  return {
    inspect: async () => ((await none()) ? 'not installed: a program that keeps the clock right' : undefined),
    names: async () => ((await none()) ? ['systemd-timesyncd'] : []),
  }
}
