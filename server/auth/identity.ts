/** Who is calling, as the key proves it. Nothing a caller says about itself gets in here. */
export interface Identity {
  readonly keyId: string
  readonly clientId: string
  readonly clientName: string
}
