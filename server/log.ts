import { type DestinationStream, type Logger, pino } from 'pino'
import { DatabaseTimeout } from './db/pool.ts'
import { standardOutput } from './log-output.ts'

export type { Logger }

/**
 * JSON lines on standard output. Call sites name their fields one by one; the redaction is the second line of defence,
 * for a header bag or a settings object that slips in.
 */
export function createLogger(level: string, destination: DestinationStream = standardOutput()): Logger {
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }), log: redact },
    serializers: { err: describeError },
  }
  return pino(options, destination)
}

const SECRET_FIELD = /^(authorization|cookie|body|headers)$|password|token|secret|pepper/i

/** Ours and not pino's own, which compiles a program at the start: that alone takes a tenth of it. */
function redact(fields: Record<string, unknown>): Record<string, unknown> {
  const clean: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(fields)) {
    const isBag =
      typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
    clean[name] = SECRET_FIELD.test(name)
      ? '‹redacted›'
      : isBag
        ? redact(value as Record<string, unknown>)
        : value
  }
  return clean
}

/** An error without the fields drivers hang on it, which may quote what a caller sent. */
export function describeError(error: unknown): Record<string, unknown> {
  if (!(error instanceof Error)) return { type: typeof error }
  const { code } = error as NodeJS.ErrnoException
  const expected = error instanceof DatabaseTimeout || typeof code === 'string'
  return {
    // The driver takes the name from its class, which the bundler shortens.
    type: 'severity' in error ? 'PostgresError' : error.name,
    ...(code !== undefined && { code }),
    message: error.message,
    ...(!expected && { stack: error.stack }),
  }
}
