import { connect, createServer, type Socket } from 'node:net'

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
  const sockets = new Set<Socket>()
  let frozen = false
  let port = 0
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.on('data', (chunk) => {
      if (!frozen) to.write(chunk)
    })
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer((near) => {
    const far = connect(Number(behind.port), behind.hostname)
    pass(near, far)
    pass(far, near)
  })
  const open = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  await open()
  port = (server.address() as { port: number }).port
  return {
    url: new URL(behind.pathname, `postgres://127.0.0.1:${port}`),
    open,
    shut: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      cut()
      return closed
    },
    freeze: () => {
      frozen = true
    },
    thaw: () => {
      frozen = false
      cut()
    },
  }
}
