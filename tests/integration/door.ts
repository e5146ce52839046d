import { startWire } from './wire.ts'

/** A door in front of a real Postgres. Shut: connections are cut and refused. Frozen: they stay, but no byte passes. */
export interface Door {
  /** The database's address through the door. */
  readonly url: URL
  shut(): Promise<void>
  open(): Promise<void>
  freeze(): void
  /** Cuts the frozen connections and lets new ones through. */
  thaw(): void
}

export async function startDoor(behind: URL): Promise<Door> {
  let frozen = false
  const wire = await startWire(behind, (chunk, to) => {
    if (!frozen) to.write(chunk)
  })
  return {
    url: new URL(behind.pathname, `postgres://127.0.0.1:${wire.port}`),
    open: wire.open,
    shut: wire.close,
    freeze: () => {
      frozen = true
    },
    thaw: () => {
      frozen = false
      wire.cut()
    },
  }
}
