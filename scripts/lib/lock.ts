import { createConnection, createServer } from 'node:net'
import { Refused } from './fail.ts'
import { ROOT } from './stack.ts'

/** An abstract socket (unix(7)): the kernel takes it back when its holder dies, so such a lock is never stale. */
const prefixed = (name: string) => `\0whatsapp-mcp-${name}`

/**
 * Lets one run at a time change something. The lock ends with the process, however that ends.
 * @param name of the lock: `bootstrap`, `database` …
 * @param busy what is wrong when somebody else has it, as the start of a sentence
 * @throws {Refused} naming the holder, since when and with which command it runs.
 */
export async function takeLock(
  name = 'bootstrap',
  busy = 'another run is changing this host',
): Promise<{ release(): Promise<void> }> {
  const holder = `process ${process.pid}, since ${new Date().toISOString()}: ${commandLine()}`
  const server = createServer((socket) => {
    socket.on('error', () => socket.destroy())
    socket.end(holder)
  })
  const taken = await new Promise<boolean>((resolve, reject) => {
    server.once('error', (error: NodeJS.ErrnoException) =>
      error.code === 'EADDRINUSE' ? resolve(false) : reject(error),
    )
    server.listen(prefixed(name), () => resolve(true))
  })
  if (!taken) {
    const other = await askHolder(name)
    const pid = /^process (\d+)/.exec(other)?.[1]
    throw new Refused(`${busy} (${other})`, {
      next:
        pid === undefined
          ? 'wait for it'
          : `wait for it, or end it with: kill ${pid} (the lock goes with it)`,
    })
  }
  server.unref()
  return { release: () => new Promise((resolve) => server.close(() => resolve())) }
}

/** What a person would recognise. */
function commandLine(): string {
  return process.argv
    .slice(1)
    .map((word) => word.replace(`${ROOT}/`, ''))
    .join(' ')
}

function askHolder(name: string): Promise<string> {
  return new Promise((resolve) => {
    let text = ''
    const socket = createConnection(prefixed(name))
    socket.setTimeout(2000, () => socket.destroy())
    socket.on('data', (chunk) => {
      text += chunk.toString()
    })
    socket.on('error', () => undefined)
    socket.on('close', () => resolve(text === '' ? 'it does not say who it is' : text))
  })
}
