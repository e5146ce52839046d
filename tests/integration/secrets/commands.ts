import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'esbuild'
import { afterAll, beforeAll, expect } from 'vitest'
import { isOptional } from '../../../secrets/check.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'
import { allSecrets, newKey, scratch } from '../../unit/secrets/fixtures.ts'

const scripts = fileURLToPath(new URL('../../../scripts', import.meta.url))
const CANARIES = ['canary-app-secret-0001', 'canary-access-token-0002']
export const [APP_SECRET = '', ACCESS_TOKEN = ''] = CANARIES

/** Where the bundles are, and what Node compiled. */
let place = ''
/** Everything any command printed, to look for secrets in at the end. */
let printed = ''

/**
 * For a file of tests that runs commands: bundles the scripts, which then start in a third of the time, and in the end looks
 * through all that was printed.
 */
export function useCommands(): void {
  beforeAll(async () => {
    place = await mkdtemp(join(tmpdir(), 'whatsapp-mcp-test-commands-'))
    printed = ''
    await writeFile(join(place, 'package.json'), '{"type":"module"}')
    await build({
      entryPoints: ['secrets.ts', 'age-key.ts'].map((name) => join(scripts, name)),
      outdir: place,
      bundle: true,
      splitting: true,
      platform: 'node',
      target: 'node24',
      format: 'esm',
      // Some packages are CommonJS and call require() for Node's own modules.
      banner: { js: "import{createRequire}from'node:module';const require=createRequire(import.meta.url);" },
      logLevel: 'warning',
    })
  })
  afterAll(async () => {
    await rm(place, { recursive: true })
    for (const canary of CANARIES) expect(printed).not.toContain(canary)
    expect(printed).not.toMatch(/AGE-SECRET-KEY-1[A-Z0-9]/)
  })
}

interface Result {
  status: number | null
  stdout: string
  stderr: string
}

export function run(script: string, args: string[], input = '', env: Record<string, string> = {}): Result {
  return start(join(place, script.replace(/ts$/, 'js')), args, input, env)
}

/** As an operator does: not a bundle, but the file itself. */
export function runSource(script: string, args: string[]): Result {
  return start(join(scripts, script), args)
}

function start(path: string, args: string[], input = '', env: Record<string, string> = {}): Result {
  const { status, stdout, stderr } = spawnSync(process.execPath, [path, ...args], {
    input,
    encoding: 'utf8',
    env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: join(place, 'compiled'), ...env },
  })
  if (!args.includes('new')) printed += stdout + stderr
  return { status, stdout, stderr }
}

/** A repository as init leaves it, made in-process because every call of a script costs half a second. */
export async function made() {
  const root = await scratch()
  const keys = [await newKey(), await newKey()] as const
  const recipients = keys.map(({ recipient }) => recipient)
  const [host, recovery] = [join(root, 'host.key'), join(root, 'recovery.key')]
  const file = join(root, 'secrets/secrets.enc.yaml')
  await mkdir(join(root, 'secrets'))
  await writeFile(host, `${keys[0].identity.reveal()}\n`)
  await writeFile(recovery, `${keys[1].identity.reveal()}\n`)
  const roles = { host: keys[0].recipient, recovery: keys[1].recipient }
  const listed = Object.entries(roles).map(([role, recipient]) => ({ role, recipient }))
  await writeFile(join(root, '.sops.yaml'), formatRecipients(listed))
  const required = [...allSecrets()].filter(([name]) => !isOptional(name))
  const values = new Map<string, Secret>(required)
    .set('wa_app_secret', new Secret(APP_SECRET))
    .set('wa_default_access_token', new Secret(ACCESS_TOKEN))
  await writeFile(file, await create(values, recipients))
  const secrets = (args: string[], stdin = '', env = {}) =>
    run('secrets.ts', [...args, '--root', root, '--age-key-file', host], stdin, env)
  return { root, host, recovery, recipients, file, secrets }
}
