import { startWire } from '../wire.ts'

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
  const wire = await startWire(behind, (chunk, to, isAnswer) => {
    if (isAnswer) fuse.burn()
    if (fuse.isBurnt) to.destroy()
    else to.write(chunk)
  })
  const url = new URL(behind)
  url.host = `127.0.0.1:${wire.port}`
  return { url, close: wire.close }
}
