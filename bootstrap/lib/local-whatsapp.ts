import { type ChildProcess, spawn } from 'node:child_process'
import { readFile, rm } from 'node:fs/promises'
import { Fail, lastLines } from '../../scripts/lib/fail.ts'
import { sandboxFile } from '../../scripts/lib/sandbox.ts'
import { writeAtomically } from '../../secrets/atomic.ts'
import type { Context } from './context.ts'
import { freePort } from './embedded-postgres.ts'
import { adminCommand, end, SANDBOX_NUMBER, sandboxOf } from './local.ts'
import type { Resource } from './resource.ts'

const SANDBOX_ACCOUNT = '100000000000001'
/** The owner, and the client the newcomer's key belongs to. */
const SANDBOX_CLIENT = 'you'

/** In Meta's place: a Graph API that takes sends, and a customer who answers. */
export function sandboxWhatsApp(context: Context): Resource {
  const sandbox = sandboxOf(context)
  const secret = async (name: string) =>
    (await readFile(`${context.paths.secrets}/app/${name}`, 'utf8')).trimEnd()
  return {
    title: 'WhatsApp stand-in',
    inspect: async () => (sandbox.whatsapp === undefined ? 'it is not running' : undefined),
    async apply() {
      sandbox.port = await freePort()
      const child = spawn(process.execPath, [`${context.root}/tests/fakes/phone/main.ts`], {
        stdio: ['pipe', 'pipe', 'pipe'],
      })
      sandbox.cleanUp.push(() => end(child))
      const settings = {
        token: await secret('wa_default_access_token'),
        appSecret: await secret('wa_app_secret'),
        numberId: SANDBOX_NUMBER,
        wabaId: SANDBOX_ACCOUNT,
        webhook: `http://127.0.0.1:${sandbox.port}/webhook/meta`,
      }
      child.stdin.end(JSON.stringify(settings))
      sandbox.whatsapp = JSON.parse(await firstLine(child)) as { graph: string; phone: string }
      const file = sandboxFile()
      await writeAtomically(file, `${JSON.stringify({ phone: sandbox.whatsapp.phone })}\n`, 0o600)
      sandbox.cleanUp.push(() => rm(file, { force: true }))
    },
  }
}

/** The number, booked to a client that owns everything in the sandbox. */
export function sandboxNumber(context: Context): Resource {
  const admin = async (...args: string[]) => (await adminCommand(context, args)).stdout
  return {
    title: 'number',
    inspect: async () =>
      (await admin('numbers', 'list', '--json')).includes(SANDBOX_NUMBER) ? undefined : 'there is none',
    async apply() {
      await admin('clients', 'create', '--name', SANDBOX_CLIENT, '--display-name', 'You', '--owner')
      await admin(
        'numbers',
        'add',
        '--phone-id',
        SANDBOX_NUMBER,
        '--waba',
        SANDBOX_ACCOUNT,
        '--label',
        'Sandbox',
      )
    },
  }
}

async function firstLine(child: ChildProcess): Promise<string> {
  let out = ''
  let err = ''
  child.stderr?.on('data', (chunk: Buffer) => {
    err = (err + chunk).slice(-4_000)
  })
  return await new Promise((resolve, reject) => {
    child.stdout?.on('data', (chunk: Buffer) => {
      out += chunk
      if (out.includes('\n')) resolve(out)
    })
    child.once('exit', () =>
      reject(
        new Fail('the WhatsApp stand-in did not start', {
          next: 'read the lines above; a fresh try: ./bootstrap/run.sh --local',
          output: lastLines(err),
        }),
      ),
    )
  })
}
