import { type AddressInfo, connect, createServer, type Socket } from 'node:net'

/** Burns by one with every answer that passes a tap. The answer with which it is burnt up does not pass, nor does anything after. */
export class Fuse {
  #left = Number.POSITIVE_INFINITY
  #blow: () => void = () => {}

  /** `blow` is called in place of the n-th answer from now. */
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

  burn(): void {
    this.#left -= 1
    if (this.#left === 0) this.#blow()
  }
}

/** A wire between the server and one of its neighbours. */
export interface Tap {
  /** The neighbour's address through the tap. */
  readonly url: URL
  close(): Promise<void>
}

/**
 * Taps the wire to `behind`, which only speaks when it is asked. An answer is what comes at once. To cut before each answer is
 * enough: what was done by then is what is done when the next question is cut off instead.
 */
export async function startTap(behind: URL, fuse: Fuse): Promise<Tap> {
  const sockets = new Set<Socket>()
  const pass = (from: Socket, to: Socket, isAnswer: boolean) => {
    sockets.add(from)
    from.setNoDelay(true)
    from.on('data', (chunk) => {
      if (isAnswer) fuse.burn()
      if (fuse.isBurnt) to.destroy()
      else to.write(chunk)
    })
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
