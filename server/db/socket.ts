import { Socket } from 'node:net'

/**
 * A connection that first tells the driver of its end as an error and closes two turns of the event loop later. postgres.js
 * (3.4.9, issues 1154 and 1208 of its tracker) forgets its socket on `close` but may still have a write scheduled: that of a
 * statement under way, or of the `rollback` it sends by itself when the transaction breaks. Such a write would end the process.
 * Here it meets a socket that is still known, and is dropped.
 */
class LingeringSocket extends Socket {
  readonly #onLost: () => void
  #wasOpen = false
  #isLost = false
  #hasErred = false

  constructor(onLost: () => void) {
    super()
    this.#onLost = onLost
  }

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'connect') this.#wasOpen = true
    // After our own farewell the other side ends too; without one, it went away.
    if (event === 'error' || (event === 'end' && !this.writableEnded)) this.#lose()
    if (event === 'error') this.#hasErred = true
    if (event !== 'close') return super.emit(event, ...args)
    if (!this.#hasErred && this.listenerCount('error') > 0) super.emit('error', closed())
    // `false`, so that whatever was asked in between is refused as well.
    setImmediate(() => setImmediate(() => super.emit('close', false)))
    return true
  }

  #lose(): void {
    if (this.#isLost || !this.#wasOpen) return
    this.#isLost = true
    this.#onLost()
  }
}

/**
 * The `socket` option of postgres.js for a database at this address.
 *
 * @param onLost called once for a connection that was open and that the other side, or the network, ended
 */
export function lingeringSocket(host: string, port: number, onLost: () => void): () => Socket {
  return () => new LingeringSocket(onLost).connect(port, host)
}

function closed(): Error {
  return Object.assign(new Error('the database closed the connection'), { code: 'CONNECTION_CLOSED' })
}
