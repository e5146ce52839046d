import type { IncomingMessage } from 'node:http'
import { HttpError } from './reply.ts'

export interface BodyLimits {
  /** Bytes at most. */
  readonly bytes: number
  /** Time for the whole body, so that a trickle cannot hold a connection. Default 10 s. */
  readonly ms?: number
}

/** What we still read of a body we did not want. */
const DRAIN = { bytes: 8 * 1024 * 1024, ms: 2_000 }

/** The caller went away before the body was whole; there is nobody left to answer. */
export class RequestAborted extends Error {
  override readonly name = 'RequestAborted'
}

/**
 * The raw body.
 *
 * @throws HttpError 413 when it is too large, 408 when it takes too long.
 * @throws RequestAborted when the connection ends before the body does.
 */
export function readBody(req: IncomingMessage, limits: BodyLimits): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = []
    let size = 0
    const settle = (finish: () => void) => {
      clearTimeout(timer)
      req.off('data', onData).off('end', onEnd).off('close', onClose)
      finish()
    }
    const refuse = (status: number, code: string) => settle(() => reject(new HttpError(status, code)))
    const onData = (chunk: Buffer) => {
      size += chunk.length
      if (size > limits.bytes) return refuse(413, 'payload_too_large')
      chunks.push(chunk)
    }
    const onEnd = () =>
      settle(() => resolve(chunks.length === 1 && chunks[0] ? chunks[0] : Buffer.concat(chunks, size)))
    const onClose = () => settle(() => reject(new RequestAborted('the connection ended within the body')))
    const timer = setTimeout(() => refuse(408, 'request_timeout'), limits.ms ?? 10_000)

    if (Number(req.headers['content-length'] ?? 0) > limits.bytes) return refuse(413, 'payload_too_large')
    // Without a listener an abort inside the body would be an uncaught error.
    req.on('error', () => {})
    req.on('data', onData).on('end', onEnd).on('close', onClose)
  })
}

/**
 * Reads the rest of an unwanted body and forgets it, so that a client in the middle of sending sees our answer and not a
 * reset. What exceeds the bounds loses the connection.
 */
export function drain(req: IncomingMessage): void {
  const hasBody =
    req.headers['transfer-encoding'] !== undefined || Number(req.headers['content-length'] ?? 0) > 0
  if (!hasBody || req.complete || req.destroyed) return
  let size = 0
  const timer = setTimeout(() => req.destroy(), DRAIN.ms)
  req.on('error', () => {})
  req.on('close', () => clearTimeout(timer))
  req.on('data', (chunk: Buffer) => {
    size += chunk.length
    if (size > DRAIN.bytes) req.destroy()
  })
}
