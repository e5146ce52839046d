import { readdirSync } from 'node:fs'
import { chmod, readFile, stat, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { beforeAll, describe, expect, it } from 'vitest'
import { recipientsOfFile } from '../../../secrets/file.ts'
import { scratch } from '../../unit/secrets/fixtures.ts'
import { ACCESS_TOKEN, APP_SECRET, made, run, runSource, useCommands } from './commands.ts'

useCommands()

describe('scripts/secrets.ts', () => {
  it('starts a repository whose file opens with either key', async () => {
    const root = await scratch()
    const [host, recovery] = [join(root, 'host.key'), join(root, 'recovery.key')]
    const recipients = [host, recovery].map((out) => run('age-key.ts', ['new', '--out', out]).stdout.trim())
    const more = `wa_access_token_1=${ACCESS_TOKEN}\ninngest_event_key=${APP_SECRET}\n`
    const input = `wa_app_secret=${APP_SECRET}\n# a comment\nwa_default_access_token=${ACCESS_TOKEN}\n${more}`
    const keys = ['--host-key-file', host, '--recovery', recipients[1] ?? '']
    const init = run('secrets.ts', ['init', '--root', root, ...keys, '--stdin'], input)
    expect(init).toMatchObject({ status: 0, stdout: '' })
    expect(await recipientsOfFile(join(root, 'secrets/secrets.enc.yaml'))).toEqual(recipients)
    for (const key of [host, recovery]) {
      const { stdout } = run('secrets.ts', ['verify', '--json', '--root', root], '', {
        SOPS_AGE_KEY_FILE: key,
      })
      const { secrets, ...verified } = JSON.parse(stdout)
      expect(verified).toMatchObject({ ok: true, problems: [] })
      // Generated where it is needed, kept where it is given, left out where it is optional.
      expect(secrets).toEqual(
        expect.arrayContaining(['api_key_pepper', 'wa_access_token_1', 'inngest_event_key']),
      )
      expect(secrets).not.toContain('inngest_signing_key')
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
    expect(secrets(['set', 'wa_webhook_verify_token_shop', '--generate']).status).toBe(0)
    expect(secrets(['set', 'inngest_signing_key', '--generate']).status).toBe(0)
    expect(state('wa_webhook_verify_token_shop')).toMatchObject({
      state: 'set',
      required: false,
      consumers: ['app'],
    })
    expect(secrets(['unset', 'wa_webhook_verify_token_shop']).status).toBe(0)
    expect(state('wa_webhook_verify_token_shop')).toBeUndefined()
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
      [['set', 'nonsense'], APP_SECRET, 2, /no such secret.*wa_access_token_<name>/],
      [['set', 'wa_access_token_1'], 'short', 1, /at least 16/],
      [['set', 'wa_access_token_1', '--generate'], '', 2, /comes from elsewhere/],
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

describe('help', () => {
  it('is there for every command', () => {
    for (const script of ['secrets.ts', 'age-key.ts']) {
      const { stdout, status } = runSource(script, ['--help'])
      expect(status).toBe(0)
      const commands = [...stdout.matchAll(/^ {2}([a-z]+)/gm)].map(([, name]) => name ?? '')
      expect(commands.length).toBeGreaterThan(2)
      for (const name of commands) {
        expect(runSource(script, [name, '--help'])).toMatchObject({
          status: 0,
          stdout: expect.stringContaining(`${script} ${name}`),
        })
      }
      expect(runSource(script, []).status).toBe(2)
    }
  })
})
