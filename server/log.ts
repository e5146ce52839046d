import { type DestinationStream, type Logger, pino } from 'pino'
import { DatabaseTimeout } from './db/pool.ts'

export type { Logger }

/**
 * JSON lines on standard output. Call sites name their fields one by one; the redaction is the second line of defence,
 * for a header bag or a settings object that slips in.
 */
export function createLogger(level: string, destination?: DestinationStream): Logger {
  const secretFields = ['authorization', 'cookie', 'password', 'token', 'secret', 'pepper', 'body', 'headers']
  const options = {
    level,
    base: null,
    timestamp: () => `,"time":"${new Date().toISOString()}"`,
    formatters: { level: (label: string) => ({ level: label }) },
    redact: { paths: secretFields.flatMap((name) => [name, `*.${name}`]), censor: '‹redacted›' },
    serializers: { err: describeError },
  }
  return destination ? pino(options, destination) : pino(options)
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
