import { createConnection, createServer } from 'node:net'
import { Fail } from './fail.ts'

/** An abstract socket (unix(7)): the kernel takes it back when its holder dies, so this lock is never stale. */
const NAME = '\0whatsapp-mcp-bootstrap'

/**
 * Lets one run at a time change this host. The lock ends with the process.
 * @throws {Fail} naming the holder, since when and with which command it runs.
 */
export async function takeLock(name = NAME): Promise<{ release(): Promise<void> }> {
  const holder = `process ${process.pid}, since ${new Date().toISOString()}: ${process.argv.slice(2).join(' ')}`
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(holder)
  })
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    server.listen(name, () => resolve(true))
  })
  if (!taken) {
    const other = await askHolder(name)
    const pid = /^process (\d+)/.exec(other)?.[1]
    throw new Fail(`another run is changing this host (${other})`, {
      next:
        pid === undefined
          ? 'wait for it'
          : `wait for it, or end it with: kill ${pid} (the lock goes with it)`,
    })
  }
  server.unref()
  return { release: () => new Promise((resolve) => server.close(() => resolve())) }
}

function askHolder(name: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = createConnection(name)
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text === '' ? 'it does not say who it is' : text))
  })
}
