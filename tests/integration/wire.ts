import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** A proxy on this machine in front of a neighbour. */
export interface Wire {
  /** Of the proxy; the same after it was closed and opened again. */
  readonly port: number
  open(): Promise<void>
  /** Ends every connection. */
  cut(): void
  /** Cuts, and takes no new connections. */
  close(): Promise<void>
}

/**
 * @param carry what becomes of a chunk; it goes nowhere by itself
 * @param carry.isAnswer whether it comes from the neighbour
 */
export async function startWire(
  behind: URL,
  carry: (chunk: Buffer, to: Socket, isAnswer: boolean) => void,
): Promise<Wire> {
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket, isAnswer: boolean) => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => carry(chunk, to, isAnswer))
    from.on('error', () => {})
    from.on('close', () => {
      sockets.delete(from)
      to.destroy()
    })
  }
  const server = createServer((near) => {
    const far = connect(Number(behind.port), behind.hostname)
    pass(near, far, false)
    pass(far, near, true)
  })
  let port = 0
  const open = () => new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  const cut = () => {
    for (const socket of sockets) socket.destroy()
  }
  await open()
  port = (server.address() as AddressInfo).port
  return {
    port,
    open,
    cut,
    close: () => {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()))
      cut()
      return closed
    },
  }
}
