import { type ChildProcess, spawn } from 'node:child_process'
import { rm } from 'node:fs/promises'
import { pipeline } from 'node:stream/promises'
import { childOutput } from '../lib/child-output.ts'
import { Fail, lastLines } from '../lib/fail.ts'
import { type Written, writeHashed } from './write-hashed.ts'

/**
 * What makes a bare host this host again, relative to `/`. The audit archive is among it, since the database refers to its
 * files by their hashes.
 */
export const HOST_PATHS = [
  'etc/letsencrypt',
  'etc/whatsapp-mcp/answers.yaml',
  'etc/whatsapp-mcp/stack.env',
  'etc/whatsapp-mcp/age.key',
  'var/lib/whatsapp-mcp/audit',
] as const

const LIMIT_MS = 600_000
const TRIES = 3
/** tar's exit code for a file that changed while it was read. */
const CHANGED = 1

/**
 * Archives the host's own files, encrypted on the way: the host key is among them, and this host cannot open the result.
 * @param path of a file that does not exist yet
 * @param recipient the role `recovery`, age1…
 * @param o.root where {@link HOST_PATHS} are; default `/`
 * @throws {Fail} naming what is missing or what tar or age say
 */
export async function sealHostFiles(
  path: string,
  recipient: string,
  o: { root?: string } = {},
): Promise<Written> {
  for (let tries = 1; ; tries += 1) {
    const { written, tar } = await archive(path, recipient, o.root ?? '/')
    if (tar === 0 && written.bytes > 0) return written
    // A certificate being renewed, an audit segment being closed: over in a moment.
    if (tries === TRIES)
      throw new Fail('the host’s own files change while they are read', { next: 'run this again later' })
    await rm(path)
  }
}

async function archive(
  path: string,
  recipient: string,
  root: string,
): Promise<{ written: Written; tar: number }> {
  // Numbers, since users have other names on another host; links stay links.
  const form = ['--create', '--numeric-owner', '--directory', root]
  const tar = start('tar', [...form, '--', ...HOST_PATHS])
  const age = start('age', ['--encrypt', '--recipient', recipient])
  const [written, code] = await Promise.all([
    writeHashed(age.stdout, path),
    tar.ended([0, CHANGED]),
    age.ended([0]),
    // What broke it is told by the program that ended.
    pipeline(tar.stdout, age.stdin).catch(() => undefined),
  ])
  return { written, tar: code }
}

function start(program: string, argv: readonly string[]) {
  const child = spawn(program, argv, { stdio: ['pipe', 'pipe', 'pipe'], timeout: LIMIT_MS })
  let said = ''
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    said = lastLines(said + text)
  })
  return {
    stdin: child.stdin,
    stdout: childOutput(child.stdout),
    ended: (good: readonly number[]) => ending(child, program, good, () => said),
  }
}

function ending(
  child: ChildProcess,
  program: string,
  good: readonly number[],
  said: () => string,
): Promise<number> {
  return new Promise((resolve, reject) => {
    child.on('error', (cause) =>
      reject(new Fail(`${program} cannot be run`, { next: `apt-get install ${program}`, cause })),
    )
    child.on('close', (code, signal) => {
      if (code !== null && good.includes(code)) resolve(code)
      else {
        const next = 'mend what it says, then run this again'
        reject(new Fail(`${program} ended with ${signal ?? code}`, { next, output: said() }))
      }
    })
  })
}
