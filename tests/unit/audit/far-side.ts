import { spawn, spawnSync } from 'node:child_process'
import { mkdirSync, writeFileSync } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { join } from 'node:path'
import type { Input, Outcome } from '../../../scripts/audit/program.ts'
import type { Transport } from '../../../scripts/audit/remote.ts'
import { newKey, temporary } from './fixtures.ts'

const RECEIVE = 'scripts/audit/receive.sh'

/** An account as setup-archive.sh makes it, without sshd in between: the forced command is what it would start. */
export class FarSide implements Transport {
  readonly place = 'far.test:22'
  readonly keyFile: string
  readonly directory: string
  /** Called before each verb; what it throws is what the transport does. */
  before: (verb: string) => void = () => undefined

  constructor() {
    const home = temporary()
    const { keyFile, publicKey } = newKey()
    this.keyFile = keyFile
    this.directory = join(home, 'segments')
    mkdirSync(this.directory)
    writeFileSync(join(home, 'signers'), `whatsapp-mcp namespaces="whatsapp-mcp-audit" ${publicKey}\n`)
  }

  /** What sshd does with any command line of a client. */
  ask(command: string, input: string | Buffer = ''): { code: number; stdout: string; stderr: string } {
    const env = { PATH: process.env.PATH, SSH_ORIGINAL_COMMAND: command }
    const { status, stdout, stderr } = spawnSync(RECEIVE, [this.directory], { env, input, encoding: 'utf8' })
    return { code: status ?? 255, stdout, stderr }
  }

  async run(verb: string, _seconds: number, input: Input = ''): Promise<Outcome> {
    this.before(verb)
    return this.ask(verb, typeof input === 'string' ? input : await readFile(input.file))
  }

  /** Begins a transfer that never ends. @returns what cuts it off */
  hang(command: string, beginning: string): { cut: () => void; ended: Promise<number | null> } {
    const env = { PATH: process.env.PATH, SSH_ORIGINAL_COMMAND: command }
    const child = spawn(RECEIVE, [this.directory], { env, stdio: ['pipe', 'ignore', 'ignore'] })
    child.stdin.write(beginning)
    const ended = new Promise<number | null>((resolve) => child.on('close', resolve))
    return { cut: () => child.stdin.destroy(), ended }
  }

  async [Symbol.asyncDispose](): Promise<void> {}
}
