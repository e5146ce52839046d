import { spawnSync } from 'node:child_process'
import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { chmod, mkdir, readFile, stat, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { decodeQR } from 'qr/decode.js'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { isOptional } from '../../../secrets/check.ts'
import { recipientsOfFile } from '../../../secrets/file.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'
import { allSecrets, newKey, scratch } from '../../unit/secrets/fixtures.ts'

const project = fileURLToPath(new URL('../../..', import.meta.url))
const CANARIES = ['canary-app-secret-0001', 'canary-access-token-0002']
const [APP_SECRET = '', ACCESS_TOKEN = ''] = CANARIES

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

function run(script: string, args: string[], input = '', env: Record<string, string> = {}): Result {
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
async function made() {
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

describe('scripts/secrets.ts', () => {
  it('starts a repository whose file opens with either key', async () => {
    const root = await scratch()
    const [host, recovery] = [join(root, 'host.key'), join(root, 'recovery.key')]
    const recipients = [host, recovery].map((out) => run('age-key.ts', ['new', '--out', out]).stdout.trim())
    const input = `wa_app_secret=${APP_SECRET}\n# a comment\nwa_default_access_token=${ACCESS_TOKEN}\n`
    const keys = ['--host-key-file', host, '--recovery', recipients[1] ?? '']
    const init = run('secrets.ts', ['init', '--root', root, ...keys, '--stdin'], input)
    expect(init).toMatchObject({ status: 0, stdout: '' })
    expect(await recipientsOfFile(join(root, 'secrets/secrets.enc.yaml'))).toEqual(recipients)
    for (const key of [host, recovery]) {
      const { stdout } = run('secrets.ts', ['verify', '--json', '--root', root], '', {
        SOPS_AGE_KEY_FILE: key,
      })
      expect(JSON.parse(stdout)).toMatchObject({ ok: true, problems: [] })
    }
  })

  it('does not start over an existing file, nor with values missing, and writes nothing then', async () => {
    const { root, recipients, file } = await made()
    const before = await readFile(file, 'utf8')
    const roles = ['--host', recipients[0] ?? '', '--recovery', recipients[1] ?? '']
    const again = run('secrets.ts', ['init', '--root', root, ...roles, '--stdin'])
    expect(again.stderr).toMatch(/is there already/)
    expect(again.status).toBe(1)
    expect(await readFile(file, 'utf8')).toBe(before)
    const empty = await scratch()
    const refused: [string[], string, RegExp][] = [
      [roles, '', /Missing: wa_app_secret, wa_default_access_token/],
      [roles, `wa_app_secret=${APP_SECRET}\n${ACCESS_TOKEN}\n`, /Line 2 /],
      [roles, `wa_app_secret=${APP_SECRET}\nwa_app_secret=${APP_SECRET}`, /names wa_app_secret again/],
      [roles, `wa_app_secret=x\nwa_default_access_token=${ACCESS_TOKEN}`, /at least 16 characters/],
      [['--host', recipients[0] ?? ''], '', /--recovery is missing/],
      [['--host', recipients[0] ?? '', '--recovery', recipients[0] ?? ''], '', /same recipient/],
      [['--host', 'age1nonsense', '--recovery', recipients[0] ?? ''], '', /--host must be an age recipient/],
    ]
    for (const [args, input, expected] of refused) {
      const { status, stderr } = run('secrets.ts', ['init', '--root', empty, ...args, '--stdin'], input)
      expect(stderr).toMatch(expected)
      expect(status).not.toBe(0)
    }
    expect(readdirSync(empty)).toEqual([])
  })

  it('sets, generates and unsets values, three lines at a time', async () => {
    const { file, secrets, root } = await made()
    const lines = async () => (await readFile(file, 'utf8')).split('\n')
    const before = await lines()
    expect(secrets(['set', 'wa_app_secret'], `${ACCESS_TOKEN}\n`).status).toBe(0)
    const after = await lines()
    const differing = before
      .filter((line, index) => line !== after[index])
      .map((line) => line.trim().split(':')[0])
    // Within the same second the time stays.
    expect(differing.filter((name) => name !== 'lastmodified')).toEqual(['wa_app_secret', 'mac'])
    expect(secrets(['set', 'wa_app_secret'], ACCESS_TOKEN).stderr).toMatch(/had that value already/)
    expect(secrets(['set', 'api_key_pepper', '--generate']).status).toBe(0)
    expect(secrets(['set', 'wa_app_secret_previous'], APP_SECRET).status).toBe(0)
    const state = (name: string) =>
      JSON.parse(secrets(['list', '--json']).stdout).find((row: { name: string }) => row.name === name)
    expect(state('wa_app_secret_previous')).toMatchObject({
      state: 'set',
      required: false,
      consumers: ['app'],
    })
    expect(secrets(['unset', 'wa_app_secret_previous']).status).toBe(0)
    expect(state('wa_app_secret_previous')).toMatchObject({ state: 'unset' })
    expect(secrets(['list']).stdout).toMatch(/^wa_app_secret +set /m)
    expect(readdirSync(join(root, 'secrets'))).toEqual(['secrets.enc.yaml'])
    expect((await stat(file)).mode & 0o777).toBe(0o644)
  })

  it('refuses what would break the stack, without changing the file', async () => {
    const { file, secrets } = await made()
    const before = await readFile(file, 'utf8')
    const cases: [string[], string, number, RegExp][] = [
      [['set', 'wa_app_secret'], 'short', 1, /at least 16/],
      [['set', 'wa_app_secret'], '', 1, /at least 16/],
      [['set', 'wa_app_secret'], `${APP_SECRET}\nsecond line\n`, 1, /one line/],
      [['set', 'wa_app_secret', APP_SECRET], '', 2, /more arguments/],
      [['set', 'wa_app_secret', '--generate'], '', 2, /comes from elsewhere/],
      [['set', 'nonsense'], APP_SECRET, 2, /no such secret/],
      [['set'], '', 2, /NAME is missing/],
      [['unset', 'wa_app_secret'], '', 1, /is required/],
      [['list', '--nonsense'], '', 2, /--nonsense is unknown/],
      [['nonsense'], '', 2, /no command/],
      [['explode'], '', 2, /--dir is missing/],
    ]
    for (const [args, input, status, expected] of cases) {
      const result = secrets(args, input)
      expect(result.stderr, args.join(' ')).toMatch(expected)
      expect(result.status, args.join(' ')).toBe(status)
    }
    expect(await readFile(file, 'utf8')).toBe(before)
  })

  it('adds, replaces and removes recipients in both files', async () => {
    const { root, file, secrets, recipients } = await made()
    const keyFile = join(root, 'ops.key')
    const ops = run('age-key.ts', ['new', '--out', keyFile]).stdout.trim()
    const opens = (key: string) =>
      run('secrets.ts', ['verify', '--root', root, '--age-key-file', key]).status === 0
    expect(opens(keyFile)).toBe(false)
    expect(secrets(['recipients', 'add', 'ops', ops]).status).toBe(0)
    expect(opens(keyFile)).toBe(true)
    expect(JSON.parse(secrets(['recipients', '--json']).stdout)).toContainEqual({
      role: 'ops',
      recipient: ops,
      inFile: true,
    })
    expect(secrets(['recipients', 'add', 'ops', recipients[1] ?? '']).stderr).toMatch(/--replace/)
    expect(secrets(['recipients', 'add', 'other', ops]).stderr).toMatch(/same recipient/)
    expect(secrets(['recipients', 'remove', 'host']).stderr).toMatch(/cannot be removed/)
    const removed = secrets(['recipients', 'remove', 'ops'])
    expect(removed.stderr).toMatch(/older versions in git/)
    expect(opens(keyFile)).toBe(false)
    expect(await recipientsOfFile(file)).toEqual(recipients)
    // Replacing the recovery key changes .sops.yaml by hand or by command; apply brings the file along.
    const yaml = join(root, '.sops.yaml')
    await writeFile(yaml, (await readFile(yaml, 'utf8')).replace(recipients[1] ?? '', ops))
    expect(secrets(['recipients']).status).toBe(1)
    expect(secrets(['verify']).stderr).toMatch(/not encrypted to recovery.*recipients apply/)
    expect(secrets(['recipients', 'apply']).status).toBe(0)
    expect(await recipientsOfFile(file)).toEqual([recipients[0], ops])
    expect(secrets(['rotate']).status).toBe(0)
    expect(opens(keyFile)).toBe(true)
  })

  it('explodes with the credential that systemd hands over', async () => {
    const { root, host } = await made()
    const credentials = await scratch()
    await writeFile(join(credentials, 'age.key'), await readFile(host))
    const dir = join(root, 'exploded')
    const args = ['explode', '--root', root, '--dir', dir, '--no-chown', '--json']
    const env = { CREDENTIALS_DIRECTORY: credentials }
    const { written } = JSON.parse(run('secrets.ts', args, '', env).stdout)
    expect(written).toContain('app/wa_app_secret')
    expect(await readFile(join(dir, 'app/wa_app_secret'), 'utf8')).toBe(APP_SECRET)
    expect(JSON.parse(run('secrets.ts', args, '', env).stdout)).toEqual({ written: [], removed: [] })
  })

  it('names the file when a key cannot be used, and asks for nothing without a terminal', async () => {
    const { root } = await made()
    const attempt = (file: string) => run('secrets.ts', ['list', '--root', root, '--age-key-file', file])
    expect(attempt('/nonexistent').stderr).toMatch(/\/nonexistent cannot be read \(ENOENT\)/)
    const broken = join(root, 'broken.key')
    await writeFile(broken, 'AGE-SECRET-KEY-1QQQ')
    expect(attempt(broken).stderr).toMatch(/broken\.key cannot be used: A key has 58 characters/)
    const missing = run('secrets.ts', ['list', '--root', root], '', { SOPS_AGE_KEY_FILE: '' })
    expect(missing.status).toBe(1)
  })
})

describe('scripts/secrets.ts edit', () => {
  const left = () => readdirSync('/dev/shm').filter((name) => name.startsWith('whatsapp-mcp-edit-'))
  let before: string[]
  beforeAll(() => {
    before = left()
  })

  async function editor(root: string, body: string): Promise<Record<string, string>> {
    const path = join(root, 'editor.sh')
    await writeFile(path, `#!/bin/sh\n${body}\n`)
    await chmod(path, 0o755)
    return { SOPS_EDITOR: `${path} --wait` }
  }

  it('takes the changes and leaves no plain text', async () => {
    const { root, secrets } = await made()
    const env = await editor(
      root,
      `stat -c %a "$2" > '${root}/mode'; cp "$2~" /dev/null; sed -i 's/^# \\(wa_app_secret_previous: \\)""/\\1"${ACCESS_TOKEN}"/' "$2"`,
    )
    expect(secrets(['edit'], '', env)).toMatchObject({ status: 0 })
    expect((await readFile(join(root, 'mode'), 'utf8')).trim()).toBe('600')
    expect(secrets(['list']).stdout).toMatch(/^wa_app_secret_previous +set /m)
    expect(left()).toEqual(before)
  })

  it('changes nothing when the text is wrong, the editor fails or is missing', async () => {
    const { root, secrets, file } = await made()
    const text = await readFile(file, 'utf8')
    const cases: [string, RegExp][] = [
      [`sed -i 's/^wa_app_secret: .*/wa_app_secret: [/' "$2"`, /Line \d+ is not valid YAML/],
      [`sed -i '/^wa_app_secret:/d' "$2"`, /wa_app_secret is missing/],
      [`echo 'surplus: "value"' >> "$2"`, /surplus is not a secret/],
      [`sed -i 's/^wa_app_secret: .*/wa_app_secret: "short"/' "$2"`, /at least 16/],
      [`echo '- a' > "$2"`, /must be a list of lines/],
      ['exit 3', /ended with code 3/],
    ]
    for (const [body, expected] of cases) {
      const { status, stderr } = secrets(['edit'], '', await editor(root, body))
      expect(stderr).toMatch(expected)
      expect(status).toBe(1)
    }
    expect(secrets(['edit'], '', { SOPS_EDITOR: '/nonexistent' }).stderr).toMatch(/cannot be started/)
    expect(secrets(['edit'], '', { SOPS_EDITOR: 'true' }).stderr).toMatch(/Nothing was changed/)
    expect(await readFile(file, 'utf8')).toBe(text)
    expect(left()).toEqual(before)
  })
})

describe('scripts/age-key.ts', () => {
  it('makes a key that is shown once, or kept in a private file that is never overwritten', async () => {
    const shown = run('age-key.ts', ['new', '--json'])
    expect(JSON.parse(shown.stdout)).toMatchObject({
      identity: expect.stringMatching(/^AGE-SECRET-KEY-1[A-Z0-9]{58}$/),
      recipient: expect.stringMatching(/^age1[a-z0-9]{58}$/),
    })
    const plain = run('age-key.ts', ['new'])
    expect(plain.stdout).toMatch(/^AGE-SECRET-KEY-1[A-Z0-9]{58}\n$/)
    expect(plain.stderr).not.toMatch(/AGE-SECRET/)
    const root = await scratch()
    const host = join(root, 'host.key')
    expect(run('age-key.ts', ['new', '--out', host]).stdout).toMatch(/^age1[a-z0-9]{58}\n$/)
    expect((await stat(host)).mode & 0o777).toBe(0o600)
    const again = run('age-key.ts', ['new', '--out', host])
    expect(again.stderr).toMatch(/is not overwritten/)
    expect(run('age-key.ts', ['new', '--out', join(root, 'no/such/dir')]).stderr).toMatch(
      /cannot be written \(ENOENT\)/,
    )
  })

  it('prints a page that holds the key in groups, as QR code, and nothing from elsewhere', async () => {
    const { root, host, recipients } = await made()
    const page = join(root, 'page.html')
    const { status } = run('age-key.ts', ['print', '--key-file', host, '--out', page, '--root', root])
    expect(status).toBe(0)
    expect((await stat(page)).mode & 0o777).toBe(0o600)
    const html = await readFile(page, 'utf8')
    const groups = [...html.matchAll(/<sup>(\d+)<\/sup>([A-Z0-9]+)/g)]
    expect(groups.map(([, number]) => Number(number))).toEqual(
      Array.from({ length: 15 }, (_, index) => index + 1),
    )
    const key = await readFile(host, 'utf8')
    expect(key).toBe(`AGE-SECRET-KEY-1${groups.map(([, , text]) => text).join('')}\n`)
    expect(html).toContain('Age key: host')
    expect(html).toContain(recipients[0])
    expect(html.replace('http://www.w3.org/2000/svg', '')).not.toMatch(/https?:|<script|src=|href=/)
    expect(run('age-key.ts', ['print', '--out', page], key).stderr).toMatch(/not overwritten/)
    expect(run('age-key.ts', ['print'], key).status).toBe(2)
  })

  it('prints a QR code that reads back as the key', async () => {
    const { root, host } = await made()
    const page = join(root, 'page.html')
    run('age-key.ts', ['print', '--key-file', host, '--out', page, '--root', root])
    const html = await readFile(page, 'utf8')
    expect(decodeSvg(html)).toBe((await readFile(host, 'utf8')).trim())
  })

  it('passes the drill for the right key only, and names the group of a slip', async () => {
    const { root, host, recovery, recipients } = await made()
    const key = (await readFile(host, 'utf8')).trim()
    const check = (typed: string, ...args: string[]) =>
      run('age-key.ts', ['check', '--root', root, ...args], typed)
    expect(check(key).status).toBe(0)
    expect(check(key.toLowerCase().replace(/(.{4})/g, '$1 '), '--role', 'host').status).toBe(0)
    expect(check(key, '--recipient', recipients[0] ?? '').status).toBe(0)
    expect(check(key, '--role', 'recovery')).toMatchObject({
      status: 1,
      stderr: expect.stringMatching(/another one/),
    })
    const other = (await readFile(recovery, 'utf8')).trim()
    expect(check(other, '--role', 'host').status).toBe(1)
    const slip = key.slice(0, 30) + (key[30] === 'Q' ? 'P' : 'Q') + key.slice(31)
    expect(check(slip)).toMatchObject({ status: 1, stderr: expect.stringMatching(/group 4\./) })
    expect(check('nonsense').status).toBe(1)
    expect(check(key, '--role', 'nobody').status).toBe(2)
    expect(check(key, '--role', 'host', '--recipient', recipients[0] ?? '').status).toBe(2)
  })
})

describe('help', () => {
  it('is there for every command', () => {
    for (const script of ['secrets.ts', 'age-key.ts']) {
      const { stdout, status } = run(script, ['--help'])
      expect(status).toBe(0)
      const commands = [...stdout.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name ?? '')
      expect(commands.length).toBeGreaterThan(2)
      for (const name of commands) {
        expect(run(script, [name, '--help'])).toMatchObject({
          status: 0,
          stdout: expect.stringContaining(`${script} ${name}`),
        })
      }
      expect(run(script, []).status).toBe(2)
    }
  })
})

/** Paints the squares of the page's drawing and reads them with the library's decoder. */
function decodeSvg(html: string): string {
  const size = Number(/viewBox="0 0 (\d+)/.exec(html)?.[1])
  const scale = 8
  const side = size * scale
  const data = new Uint8ClampedArray(side * side * 4).fill(255)
  let [x, y] = [0, 0]
  for (const [, move, dx, dy] of html.matchAll(/([Mm])(-?\d+) ?(-?\d+)h1v1(?:H\d+|h-1)Z/g)) {
    if (move === 'M') [x, y] = [0, 0]
    x += Number(dx)
    y += Number(dy)
    for (let pixel = 0; pixel < scale * scale; pixel++) {
      const at = ((y * scale + Math.floor(pixel / scale)) * side + x * scale + (pixel % scale)) * 4
      data.fill(0, at, at + 3)
    }
  }
  return decodeQR({ width: side, height: side, data })
}
