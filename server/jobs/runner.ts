/** Whatever carries outbox rows to their jobs: the embedded runner, or the relay to Inngest. */
export interface Runner {
  /** Takes nothing new, waits for what runs (at most `deadlineMs`), gives its leases back. */
  stop(deadlineMs: number): Promise<void>
}
