import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { PASSWORDS } from '../database.ts'
import { SECRETS } from './harness.ts'

/** The real server as a process of its own, for tests to kill. */
export interface ServerProcess {
  readonly origin: string
  /** As a power cut does. */
  kill(): void
  /** As a deployment does. What it compiled is kept for those that start later; what is killed leaves nothing. */
  terminate(): void
  /** Its exit code; null when a signal ended it. */
  readonly exit: Promise<number | null>
}

export interface Program {
  start(o: { databaseUrl: URL; graphUrl: URL }): Promise<ServerProcess>
  /** Also kills what still runs. */
  remove(): Promise<void>
}

const BUILD = fileURLToPath(new URL('../../../server/build.ts', import.meta.url))

const FILES = {
  wa_app_secret: SECRETS.appSecret,
  wa_webhook_verify_token: SECRETS.verifyToken,
  wa_default_access_token: SECRETS.accessToken,
  api_key_pepper: SECRETS.pepper,
  media_signing_secret: SECRETS.mediaSigning,
  postgres_app_password: PASSWORDS.app,
}

/** Bundles the server, which starts ten times as fast as its sources do, and lays out its secrets. */
export async function buildProgram(): Promise<Program> {
  const dir = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-process-'))
  await promisify(execFile)(process.execPath, [BUILD, dir])
  await writeFile(join(dir, 'package.json'), '{"type":"module"}')
  for (const name of ['secrets', 'media', 'audit']) await mkdir(join(dir, name))
  for (const [name, secret] of Object.entries(FILES))
    await writeFile(join(dir, 'secrets', name), secret.reveal(), { mode: 0o600 })
  const running = new Set<ServerProcess>()

  return {
    start: async ({ databaseUrl, graphUrl }) => {
      const child = spawn(process.execPath, [join(dir, 'server.js')], {
        env: {
          DATABASE_URL: databaseUrl.href,
          WA_GRAPH_URL: graphUrl.href,
          SECRETS_DIR: join(dir, 'secrets'),
          MEDIA_ROOT: join(dir, 'media'),
          AUDIT_DIR: join(dir, 'audit'),
          PUBLIC_URL: 'https://wa.example.org',
          APP_HTTP_PORT: '0',
          NODE_COMPILE_CACHE: join(dir, 'compiled'),
        },
        stdio: ['ignore', 'pipe', 'inherit'],
      })
      const exit = once(child, 'exit').then(([code]) => code as number | null)
      const server = {
        origin: `http://127.0.0.1:${await portOf(child.stdout)}`,
        kill: () => void child.kill('SIGKILL'),
        terminate: () => void child.kill('SIGTERM'),
        exit,
      }
      running.add(server)
      return server
    },
    remove: async () => {
      for (const server of running) {
        server.kill()
        await server.exit
      }
      await rm(dir, { recursive: true, force: true })
    },
  }
}

/** Its log names it; the rest of the log is read and dropped, or the pipe would fill up. */
function portOf(output: NodeJS.ReadableStream): Promise<number> {
  return new Promise((resolve, reject) => {
    createInterface(output)
      .on('line', (line) => {
        if (line.includes('"listening"')) resolve((JSON.parse(line) as { port: number }).port)
      })
      .once('close', () => reject(new Error('the server ended before it listened')))
  })
}
