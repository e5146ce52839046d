/** One line of the audit log. Holds no message text, no token, no phone number. */
export interface AuditEntry {
  /** `tool.call`, `auth.refused`, `webhook.processed`, `webhook.refused`, `message.sent`, `admin.keys.mint` … */
  readonly action: string
  readonly outcome: 'ok' | 'refused' | 'failed'
  readonly transport: 'http' | 'stdio' | 'webhook' | 'job' | 'cli' | 'system'
  readonly requestId?: string | undefined
  readonly clientId?: string | undefined
  readonly keyId?: string | null | undefined
  readonly tool?: string | undefined
  /** Meta's id of the number. */
  readonly phoneNumberId?: string | undefined
  /** Class of the failure, `rate_limited`, `scope_denied`, `window_closed` … */
  readonly errorClass?: string | undefined
  /** Meta's code, where there is one. */
  readonly errorCode?: string | undefined
  readonly durationMs?: number | undefined
  readonly ip?: string | undefined
  readonly detail?: Readonly<Record<string, unknown>> | undefined
}

export interface Audit {
  /** Resolves once the entry is on disk. Entries of the same moment share one transaction. @throws when it cannot be written. */
  record(entry: AuditEntry): Promise<void>
  close(): Promise<void>
}
