import { Socket } from 'node:net'

/**
 * A connection that first tells the driver of its end as an error and closes two turns of the event loop later. postgres.js
 * (3.4.9, issues 1154 and 1208 of its tracker) forgets its socket on `close` but may still have a write scheduled: that of a
 * statement under way, or of the `rollback` it sends by itself when the transaction breaks. Such a write would end the process,
 * or poison the connection for good. Here it meets a socket that is still known, and is dropped.
 */
class LingeringSocket extends Socket {
  #hasErred = false

  override emit(event: string | symbol, ...args: unknown[]): boolean {
    if (event === 'error') this.#hasErred = true
    if (event !== 'close') return super.emit(event, ...args)
    if (!this.#hasErred && this.listenerCount('error') > 0) super.emit('error', closed())
    // `false`, so that whatever was asked in between is refused as well.
    setImmediate(() => setImmediate(() => super.emit('close', false)))
    return true
  }
}

/** The `socket` option of postgres.js for a database at this address. */
export function lingeringSocket(host: string, port: number): () => Socket {
  return () => new LingeringSocket().connect(port, host)
}

function closed(): Error {
  return Object.assign(new Error('the database closed the connection'), { code: 'CONNECTION_CLOSED' })
}
