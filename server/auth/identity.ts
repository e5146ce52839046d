/** Who is calling, as the key proves it. Nothing a caller says about itself gets in here. */
export interface Identity {
  /** null on stdio, where the operating system vouches for the owner. */
  readonly keyId: string | null
  readonly clientId: string
  readonly clientName: string
  readonly isOwner: boolean
  /** `*`, `tools:<name>`, `numbers:<Meta's phone number id>`. */
  readonly scopes: readonly string[]
  /** Requests per minute. */
  readonly rpmLimit: number
  /** Messages sent per day (UTC). */
  readonly dailyMsgLimit: number
}
