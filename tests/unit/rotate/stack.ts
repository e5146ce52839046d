import { createHash, createHmac, randomUUID } from 'node:crypto'
import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import type { Host, Output, RunOptions } from '../../../scripts/rotate/host.ts'
import { explode } from '../../../secrets/explode.ts'
import { readSecrets } from '../../../secrets/file.ts'
import { parseIdentity } from '../../../secrets/identity.ts'
import { formatRecipients } from '../../../secrets/recipients.ts'
import type { SecretName } from '../../../secrets/schema.ts'
import type { Secret } from '../../../secrets/secret.ts'
import { create } from '../../../secrets/sops.ts'
import { allSecrets, newKey, scratch } from '../secrets/fixtures.ts'

type Service = 'app' | 'app-b' | 'postgres' | 'inngest'

/**
 * A host with a real secrets file and real decrypted files. In place of containers there is what each has read at its start, and
 * what it would answer with that; every command is remembered. `killAt` ends the rotation at that many calls to the outside.
 */
export class Stack {
  readonly transcript: string[] = []
  readonly inputs: string[] = []
  readonly host: Host
  /** Takes old values as well, as nothing should: then a proof must fail. */
  lenient = false
  /** Tokens Meta takes. */
  readonly valid = new Set<string>()
  calls = 0
  killAt = Number.POSITIVE_INFINITY
  /** Given a list, what a reboot or the next command would find before each call is added to it. */
  found: string[] | undefined
  #kill: () => void = () => {}
  #read: Record<Service, Map<string, string>>
  #startedAt: Record<Service, Date>
  /** API keys by token: the pepper each is hashed under. */
  readonly #keys = new Map<string, { id: string; pepper: string }>()
  readonly #taken = new Set<string>()
  readonly #passwords = new Map<string, string>()
  /** The last opened file, since opening is what these tests do most: key and text it was opened with, and what was in it. */
  #opened = { of: '', values: new Map<SecretName, Secret>() }

  private constructor(root: string) {
    const nothing = { app: new Map(), 'app-b': new Map(), postgres: new Map(), inngest: new Map() }
    this.#read = nothing
    this.#startedAt = {
      ...{ app: new Date(0), 'app-b': new Date(0) },
      ...{ postgres: new Date(0), inngest: new Date(0) },
    }
    this.host = {
      root,
      place: { sopsYaml: join(root, '.sops.yaml'), secretsFile: join(root, 'secrets.enc.yaml') },
      ageKey: join(root, 'age.key'),
      secrets: join(root, 'run'),
      chown: false,
      run: async (argv, o) => this.#count(() => this.#run(argv, o)),
      ask: async (path, init) =>
        this.#count(async () => new Response(null, { status: await this.#answer(path, init) })),
    }
  }

  /** Set up and running. @param leave secrets the file does not have */
  static async make(leave: readonly SecretName[] = []): Promise<Stack> {
    const stack = new Stack(await scratch())
    const { host } = stack
    const [key, recovery] = [await newKey(), await newKey()]
    const roles = [
      { role: 'host', recipient: key.recipient },
      { role: 'recovery', recipient: recovery.recipient },
    ]
    const values = allSecrets()
    for (const name of [...values.keys()]) if (/_previous(_expires)?$/.test(name)) values.delete(name)
    for (const name of leave) values.delete(name)
    await writeFile(host.place.sopsYaml, formatRecipients(roles))
    await writeFile(host.place.secretsFile, await create(values, [key.recipient, recovery.recipient]))
    await writeFile(host.ageKey, `${key.identity.reveal()}\n`, { mode: 0o400 })
    await mkdir(host.secrets)
    stack.valid.add(values.get('wa_default_access_token')?.reveal() ?? '')
    await stack.boot()
    return stack
  }

  /** What the secrets file holds now, opened with the installed key, as at a boot. */
  async values(): Promise<Map<SecretName, Secret>> {
    const { place, ageKey } = this.host
    const key = parseIdentity(await readFile(ageKey, 'utf8'))
    if (!key.ok) throw new Error(key.problem)
    const of = `${key.identity.reveal()} ${await readFile(place.secretsFile, 'utf8')}`
    if (this.#opened.of !== of)
      this.#opened = { of, values: await readSecrets(place.secretsFile, key.identity) }
    return new Map(this.#opened.values)
  }

  async value(name: SecretName): Promise<string | undefined> {
    return (await this.values()).get(name)?.reveal()
  }

  /** @returns whether it was killed before it ended */
  async runUntilKilled(at: number, work: () => Promise<unknown>): Promise<boolean> {
    this.killAt = this.calls + at
    const killed = new Promise<true>((resolve) => {
      this.#kill = () => resolve(true)
    })
    const wasKilled = await Promise.race([killed, work().then(() => false as const)])
    this.killAt = Number.POSITIVE_INFINITY
    return wasKilled
  }

  /** Memory is empty, everything is decrypted anew, and the containers start in order. */
  async boot(): Promise<void> {
    await explode(await this.values(), this.host.secrets, { chown: false })
    await this.#restartAll()
  }

  async #restartAll(): Promise<void> {
    for (const service of ['postgres', 'app', 'app-b', 'inngest'] as const) await this.#restart(service)
    this.#passwords.set('postgres', await this.#file('postgres', 'postgres_password'))
    this.#passwords.set('wa_owner', await this.#file('migrate', 'postgres_owner_password'))
    this.#passwords.set('wa_app', await this.#file('migrate', 'postgres_app_password'))
  }

  async #restart(service: Service): Promise<void> {
    // So that the clock tells before from after.
    await sleep(5)
    const names = ['api_key_pepper', 'api_key_pepper_previous', 'api_key_pepper_previous_expires'].concat(
      ['media_signing_secret', 'media_signing_secret_previous'],
      ['inngest_signing_key', 'inngest_signing_key_previous'],
    )
    const read = new Map<string, string>()
    for (const name of names) {
      const text = await this.#file(service.replace(/-b$/, ''), name)
      if (text) read.set(name, text)
    }
    this.#read[service] = read
    this.#startedAt[service] = new Date()
  }

  async #file(consumer: string, name: string): Promise<string> {
    return readFile(join(this.host.secrets, consumer, name), 'utf8').catch(() => '')
  }

  async #state(): Promise<string> {
    const { place, secrets } = this.host
    const entries = await readdir(secrets, { recursive: true, withFileTypes: true })
    const files = entries.filter((entry) => entry.isFile()).map((entry) => join(entry.parentPath, entry.name))
    const texts = await Promise.all(
      [place.secretsFile, ...files.sort()].map(async (file) => [file, await readFile(file, 'utf8')]),
    )
    const outside = [this.#startedAt, [...this.#passwords], [...this.#keys], [...this.#taken]]
    return JSON.stringify([texts, outside])
  }

  async #count<T>(act: () => Promise<T>): Promise<T> {
    this.calls += 1
    this.found?.push(await this.#state())
    if (this.calls <= this.killAt) return act()
    this.#kill()
    // Nothing comes back to a process that is dead.
    return new Promise<never>(() => {})
  }

  async #run(argv: readonly string[], o: RunOptions = {}): Promise<Output> {
    const line = argv.join(' ').replace(/docker compose --file \S+ --env-file \S+/, 'compose')
    this.transcript.push(line)
    this.inputs.push(o.input ?? '')
    const said = await this.#perform(line, o.input ?? '')
    const output = {
      stdout: '',
      stderr: '',
      exitCode: 0,
      ...(typeof said === 'string' ? { stdout: said } : said),
    }
    if (output.exitCode !== 0 && !o.mayFail) throw new Error(`exit ${output.exitCode}: ${line}`)
    return output
  }

  async #perform(line: string, input: string): Promise<string | Partial<Output>> {
    if (line.startsWith('git')) return ' M secrets/secrets.enc.yaml\n'
    if (line.startsWith('systemctl restart')) {
      await this.#restartAll()
      return ''
    }
    const restarted = /^compose restart --no-deps (.+)$/.exec(line)?.[1]
    if (restarted) for (const service of restarted.split(' ')) await this.#restart(service as Service)
    const service = /^compose ps --all --quiet ([\w-]+)$/.exec(line)?.[1]
    if (service) return `${service}\n`
    const inspected = /^docker inspect .* ([\w-]+)$/.exec(line)?.[1]
    if (inspected) return `running healthy ${this.#startedAt[inspected as Service].toISOString()}\n`
    const command = /server\.js (.+)$/.exec(line)?.[1]
    if (command) return this.#admin(command, input)
    return line.includes('psql') ? this.#psql(input) : ''
  }

  async #admin(command: string, input: string): Promise<string | Partial<Output>> {
    if (command.startsWith('numbers list')) return '[]'
    if (command.startsWith('numbers check')) {
      const token = input || (await this.#file('app', /secrets:\/\/(\w+)/.exec(command)?.[1] ?? ''))
      const ok = this.valid.has(token)
      const number = {
        phone_id: '104857600000001',
        ok,
        code: ok ? null : 190,
        detail: ok ? 'CONNECTED' : 'code 190',
      }
      return { stdout: JSON.stringify({ numbers: [number] }), exitCode: ok ? 0 : 1 }
    }
    if (command.startsWith('keys mint')) {
      const name = command.includes('--previous-pepper') ? 'api_key_pepper_previous' : 'api_key_pepper'
      const letters = 'abcdefghijklmnopqrstuvwxyz234567'
      const token = `wamcp_live_${[...randomUUID().replaceAll('-', '').slice(0, 28)].map((c) => letters[c.charCodeAt(0) % 32]).join('')}`
      const id = randomUUID()
      this.#keys.set(token, { id, pepper: await this.#file('app', name) })
      return { stdout: JSON.stringify({ id }), stderr: token }
    }
    if (command.startsWith('media probe')) {
      const media_id = randomUUID()
      return JSON.stringify({ path: `/media/${media_id}.${digest(input)}`, media_id })
    }
    return '[]'
  }

  #psql(script: string): string | Partial<Output> {
    const login = /\\connect 'postgresql:\/\/(\w+):([^@]+)@postgres/.exec(script)
    if (login) {
      const [, role = '', password = ''] = login
      if (this.lenient || this.#passwords.get(role) === decodeURIComponent(password)) return `${role}\n`
      return { exitCode: 2, stderr: `FATAL:  password authentication failed for user "${role}"` }
    }
    const key = /md5\(hash\).*id = '([^']+)'/.exec(script)?.[1]
    if (key) return [...this.#keys.values()].find(({ id }) => id === key)?.pepper ?? ''
    const media = /media_id' = '([^']+)'/.exec(script)?.[1]
    return media && this.#taken.has(media) ? '1' : '0'
  }

  async #answer(path: string, init: RequestInit = {}): Promise<number> {
    const headers = new Headers(init.headers)
    const read = this.#read.app
    if (path.startsWith('/webhook/meta?')) {
      const token = new URLSearchParams(path.split('?')[1]).get('hub.verify_token')
      return token === (await this.#file('app', 'wa_webhook_verify_token')) ? 200 : 404
    }
    if (path === '/webhook/meta') {
      const given = headers.get('x-hub-signature-256')
      const secrets = await Promise.all(
        ['', '_previous'].map((end) => this.#file('app', `wa_app_secret${end}`)),
      )
      return secrets.some((secret) => secret && given === `sha256=${hmac(secret, String(init.body))}`)
        ? 200
        : 404
    }
    if (path === '/api/inngest') {
      const [, at = '', signature] = /^t=(\d+)&s=(\w+)$/.exec(headers.get('x-inngest-signature') ?? '') ?? []
      const keys = [read.get('inngest_signing_key'), read.get('inngest_signing_key_previous')]
      return keys.some((key) => key && hmac(key, at) === signature) ? 200 : 401
    }
    if (path.startsWith('/media/')) {
      const [id = '', signature] = path.slice('/media/'.length).split('.')
      const keys = [read.get('media_signing_secret'), read.get('media_signing_secret_previous')]
      if (this.lenient || keys.some((key) => key && digest(key) === signature)) this.#taken.add(id)
      return 404
    }
    const key = this.#keys.get((headers.get('authorization') ?? '').replace('Bearer ', ''))
    const current = read.get('api_key_pepper') ?? ''
    if (key === undefined) return 401
    if (key.pepper === current) return 200
    const expires = Date.parse(read.get('api_key_pepper_previous_expires') ?? '')
    if (key.pepper !== read.get('api_key_pepper_previous') || !(expires > Date.now())) return 401
    key.pepper = current
    return 200
  }
}

const digest = (text: string) => createHash('sha256').update(text).digest('hex')
const hmac = (key: string, text: string) => createHmac('sha256', key).update(text).digest('hex')
