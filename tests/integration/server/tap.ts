import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Burns by one with every chunk that passes a tap. The chunk at which it is burnt up does not pass, nor does any after it. */
export class Fuse {
  #left = Number.POSITIVE_INFINITY
  #blow: () => void = () => {}

  /** `blow` is called in place of the n-th chunk from now. */
  light(n: number, blow: () => void): void {
    this.#left = n
    this.#blow = blow
  }

  get isBurnt(): boolean {
    return this.#left <= 0
  }

  /** Everything passes again. */
  replace(): void {
    this.#left = Number.POSITIVE_INFINITY
  }

  passes(): boolean {
    this.#left -= 1
    if (this.#left === 0) this.#blow()
    return this.#left > 0
  }
}

/** A wire between the server and a neighbour of its. */
export interface Tap {
  /** The neighbour's address through the tap. */
  readonly url: URL
  close(): Promise<void>
}

/**
 * Taps the wire to `behind`. A chunk is what one side wrote at once, so for protocols of questions and answers all that the
 * server can wait for: the question lost, or done but the answer lost.
 */
export async function startTap(behind: URL, fuse: Fuse): Promise<Tap> {
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket) => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      if (fuse.passes()) to.write(chunk)
      else to.destroy()
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
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const url = new URL(behind)
  url.host = `127.0.0.1:${(server.address() as AddressInfo).port}`
  return {
    url,
    close: async () => {
      const closed = new Promise((resolve) => server.close(resolve))
      for (const socket of sockets) socket.destroy()
      await closed
    },
  }
}
