/**
 * Says to a server exactly the bytes it was told to, over TCP or TLS. Reads `{host, parallel, attempts}` on standard input,
 * prints one outcome per attempt as a JSON array. Characters of texts are bytes: U+0000 to U+00FF.
 */
import { connect, type Socket } from 'node:net'
import { json } from 'node:stream/consumers'
import { setTimeout as delay } from 'node:timers/promises'
import { connect as connectTls, TLSSocket } from 'node:tls'
import * as z from 'zod'

/** As much of an answer as anybody looks at. */
const SHOWN_BYTES = 32 * 1024
/** Beyond it the server is talking to nobody. */
const HEARD_BYTES = 8 * 1024 * 1024

const version = z.literal(['TLSv1', 'TLSv1.1', 'TLSv1.2', 'TLSv1.3'])
const tls = z.object({
  /** Of the server; '' sends none. */
  name: z.string(),
  protocols: z.array(z.string()).default([]),
  version: version.optional(),
  ciphers: z.string().optional(),
  renegotiate: z.boolean().default(false),
})
const attempt = z.object({
  name: z.string(),
  port: z.number(),
  tls: tls.optional(),
  say: z.array(
    z.union([z.string(), z.object({ text: z.string(), times: z.number(), pauseMs: z.number().default(0) })]),
  ),
  /** We hang up as soon as the answer contains one of these; without them the server is to close. */
  enough: z.array(z.string()).default([]),
  /** We hang up after this time. */
  seconds: z.number(),
})
type Attempt = z.infer<typeof attempt>

/** `closed` and `reset` are the server's doing; `open` means that it was we who hung up. */
interface Outcome {
  readonly name: string
  readonly end: 'closed' | 'reset' | 'open'
  /** Of every HTTP/1 answer on the connection. */
  readonly statuses: readonly number[]
  /** The beginning. */
  readonly answer: string
  readonly seconds: number
  /** Version and cipher that were agreed on; '' without TLS, or when it was refused. */
  readonly agreed: string
  readonly renegotiated: boolean
  readonly error: string
}

function open(host: string, { port, tls: wish }: Attempt): { socket: Socket; opened: string } {
  if (wish === undefined) return { socket: connect({ port, host }), opened: 'connect' }
  const socket = connectTls({
    ...{ port, host },
    ...(wish.name !== '' && { servername: wish.name }),
    ...(wish.protocols.length > 0 && { ALPNProtocols: wish.protocols }),
    ...(wish.version !== undefined && { minVersion: wish.version, maxVersion: wish.version }),
    // Level 0: this side offers what the other must refuse.
    ...(wish.ciphers !== undefined && { ciphers: `${wish.ciphers}:@SECLEVEL=0` }),
    // Other checks of the drill look at the certificate.
    rejectUnauthorized: false,
  })
  return { socket, opened: 'secureConnect' }
}

async function say(socket: Socket, pieces: Attempt['say']): Promise<void> {
  for (const piece of pieces) {
    const { text, times, pauseMs } = typeof piece === 'string' ? { text: piece, times: 1, pauseMs: 0 } : piece
    for (let i = 0; i < times && !socket.destroyed; i += 1) {
      socket.write(text, 'latin1')
      while (socket.writableNeedDrain && !socket.destroyed) await delay(5)
      if (pauseMs > 0) await delay(pauseMs)
    }
  }
}

function perform(host: string, wanted: Attempt): Promise<Outcome> {
  const from = performance.now()
  const { socket, opened } = open(host, wanted)
  let [heard, hasEnded, error, agreed, renegotiated] = ['', false, '', '', false]
  return new Promise((resolve) => {
    const timer = setTimeout(() => socket.destroy(), wanted.seconds * 1000)
    socket.on('data', (chunk) => {
      if (heard.length < HEARD_BYTES) heard += chunk.toString('latin1')
      if (wanted.enough.some((text) => heard.includes(text))) socket.destroy()
    })
    socket.on('end', () => {
      hasEnded = true
    })
    socket.on('error', (cause: NodeJS.ErrnoException) => {
      error ||= cause.code ?? cause.message
    })
    socket.on(opened, () => {
      if (socket instanceof TLSSocket) {
        agreed = `${socket.getProtocol()} ${socket.getCipher().name}`
        if (wanted.tls?.renegotiate) {
          socket.renegotiate({}, (cause) => {
            renegotiated = cause === null
            socket.destroy()
          })
          return
        }
      }
      void say(socket, wanted.say)
    })
    socket.on('close', () => {
      clearTimeout(timer)
      resolve({
        name: wanted.name,
        end: hasEnded ? 'closed' : error === '' ? 'open' : 'reset',
        statuses: [...heard.matchAll(/HTTP\/1\.[01] (\d{3}) /g)].map((match) => Number(match[1])),
        answer: heard.slice(0, SHOWN_BYTES),
        seconds: (performance.now() - from) / 1000,
        ...{ agreed, renegotiated, error },
      })
    })
  })
}

const { host, parallel, attempts } = z
  .object({ host: z.string(), parallel: z.number(), attempts: z.array(attempt) })
  .parse(await json(process.stdin))
const outcomes: Outcome[] = []
const waiting = attempts.values()
await Promise.all(
  Array.from({ length: parallel }, async () => {
    for (const wanted of waiting) outcomes.push(await perform(host, wanted))
  }),
)
process.stdout.write(JSON.stringify(outcomes))
