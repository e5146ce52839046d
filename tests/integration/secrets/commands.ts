import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { mkdir, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, expect } from 'vitest'
import { isOptional } from '../../../secrets/check.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'
import { allSecrets, newKey, scratch } from '../../unit/secrets/fixtures.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const CANARIES = ['canary-app-secret-0001', 'canary-access-token-0002']
export const [APP_SECRET = '', ACCESS_TOKEN = ''] = CANARIES

/** Each call loads the same modules; compiled once, it takes half the time. */
const compileCache = mkdtempSync(join(tmpdir(), 'whatsapp-mcp-test-cache-'))
afterAll(() => rmSync(compileCache, { recursive: true, force: true }))

/** Everything any command printed, to look for secrets in at the end. */
let printed = ''

interface Result {
  status: number | null
  stdout: string
  stderr: string
}

export function run(script: string, args: string[], input = '', env: Record<string, string> = {}): Result {
  const { status, stdout, stderr } = spawnSync(
    process.execPath,
    [join(project, 'scripts', script), ...args],
    {
      input,
      encoding: 'utf8',
      env: { PATH: process.env.PATH, NODE_COMPILE_CACHE: compileCache, ...env },
    },
  )
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

afterAll(() => {
  for (const canary of CANARIES) expect(printed).not.toContain(canary)
  expect(printed).not.toMatch(/AGE-SECRET-KEY-1[A-Z0-9]/)
})
