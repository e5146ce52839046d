import { expect, test } from 'vitest'
import { Streams } from '../../../server/mcp/streams.ts'

test('a server that stops opens no more streams', () => {
  const streams = new Streams({
    ...{ heartbeatMs: 60_000, mostPerKey: 1 },
    findLiveKeys: async () => new Map(),
    onBeat: () => {},
    onError: () => {},
  })
  expect(() => streams.checkRoom('key')).not.toThrow()
  streams.close()
  expect(() => streams.checkRoom('key')).toThrow(
    expect.objectContaining({ status: 503, message: 'stopping' }),
  )
})
