import { PassThrough, pipeline, type Readable } from 'node:stream'

/**
 * What a program just started prints, held until somebody reads it.
 * Node throws away what a program that has ended left unread, so a reader that opens its file first would find a quick one's
 * output gone, and no error anywhere.
 * @param stdout of a child, before anything was awaited; destroyed when the result is
 */
export function childOutput(stdout: Readable): Readable {
  const held = new PassThrough()
  // Who reads learns of an error by the result, which is destroyed with it.
  pipeline(stdout, held, () => undefined)
  return held
}
