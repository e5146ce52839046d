import { mkdtemp, readFile, rm, symlink, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { identityToRecipient } from 'age-encryption'
import * as z from 'zod'
import { PROJECT, type World } from './drill.ts'
import { NUMBER } from './engine.ts'
import { buildApp } from './images.ts'
import { run } from './run.ts'

const previousSchema = z.object({ commit: z.string().regex(/^[0-9a-f]{40}$/), title: z.string() })

/** The release before this one, as an operator has it, and the step from it to this one. */
export interface Previous {
  readonly commit: string
  /** The operator's repository at that release, with the secrets of its host, as `git bundle`. */
  readonly bundle: Buffer
  /** The same repository after this release was merged into it. */
  readonly upgraded: Buffer
  /** Its image, by digest in the drill's registry. */
  readonly image: string
}

/** Which release `tests/drill/previous.json` names; `undefined` where the history does not reach back to it. */
export async function previousCommit(): Promise<{ commit: string; title: string } | undefined> {
  const text = await readFile(join(import.meta.dirname, '..', 'previous.json'), 'utf8')
  const previous = previousSchema.parse(JSON.parse(text))
  const known = await run(['git', '-C', PROJECT, 'cat-file', '-e', `${previous.commit}^{commit}`], {
    mayFail: true,
  })
  return known.code === 0 ? previous : undefined
}

/** Makes all of it with the tools of the release in question, under the keys of this drill's host. */
export async function preparePrevious(world: World, commit: string): Promise<Previous> {
  const directory = await mkdtemp(join(tmpdir(), `whatsapp-mcp-drill-${NUMBER}-previous-`))
  try {
    const repository = new OperatorsRepository(world, directory)
    await repository.begin(commit)
    const tag = 'previous'
    const image = await world.network.push(
      await buildApp(world.engine, world.images, repository.path, tag),
      `whatsapp-mcp-${tag}`,
    )
    const bundle = await repository.bundle()
    await repository.merge()
    return { commit, image, bundle, upgraded: await repository.bundle() }
  } finally {
    await rm(directory, { recursive: true })
  }
}

class OperatorsRepository {
  readonly path: string
  readonly #world: World
  readonly #directory: string

  constructor(world: World, directory: string) {
    this.path = join(directory, 'repository')
    this.#world = world
    this.#directory = directory
  }

  async begin(commit: string): Promise<void> {
    await run(['git', 'clone', '--quiet', PROJECT, this.path])
    await this.#git('checkout', '--quiet', '-B', 'main', commit)
    await symlink(join(PROJECT, 'node_modules'), join(this.path, 'node_modules'))
    const { hostKey, recoveryKey, canaries } = this.#world.material
    const [host, recovery] = await Promise.all([hostKey, recoveryKey].map(identityToRecipient))
    const input = Object.entries(canaries).map(([name, value]) => `${name}=${value}\n`)
    const recipients = ['--host', host ?? '', '--recovery', recovery ?? '']
    await this.#secrets(['init', ...recipients, '--stdin'], input.join(''))
    await this.#git('add', '--force', '.sops.yaml', 'secrets/secrets.enc.yaml')
    await this.#commit('Add the secrets of this host')
  }

  /** Takes over what the drill's own clone has, but keeps the secrets, and adds those that are new. */
  async merge(): Promise<void> {
    await this.#git('fetch', '--quiet', this.#world.material.clone, 'HEAD')
    await this.#git('rm', '-r', '--quiet', '.')
    await this.#git('checkout', 'FETCH_HEAD', '--', '.')
    await this.#git('checkout', 'HEAD', '--', '.sops.yaml', 'secrets/secrets.enc.yaml')
    const key = join(this.#directory, 'host.key')
    await writeFile(key, `${this.#world.material.hostKey}\n`, { mode: 0o600 })
    const listed = await this.#secrets(['list', '--json', '--age-key-file', key])
    const missing = z
      .array(z.object({ name: z.string(), state: z.string(), required: z.boolean() }))
      .parse(JSON.parse(listed))
      .filter(({ state, required }) => required && state === 'unset')
    for (const { name } of missing) await this.#secrets(['set', name, '--generate', '--age-key-file', key])
    await this.#git('add', '--all', '--', ':!node_modules')
    await this.#commit('Upgrade', '--allow-empty')
  }

  async bundle(): Promise<Buffer> {
    const file = join(this.#directory, 'repository.bundle')
    await this.#git('bundle', 'create', '--quiet', file, 'HEAD', 'main')
    return readFile(file)
  }

  async #git(...argv: string[]): Promise<void> {
    await run(['git', '-C', this.path, ...argv])
  }

  #commit(message: string, ...options: readonly string[]): Promise<void> {
    const identity = ['-c', 'user.name=Drill', '-c', 'user.email=drill@wa.drill.test']
    return this.#git(...identity, 'commit', '--quiet', '-m', message, ...options)
  }

  async #secrets(argv: readonly string[], input = ''): Promise<string> {
    const node = join(PROJECT, 'node_modules', '.bin', 'node')
    const script = join(this.path, 'scripts/secrets.ts')
    return (await run([node, script, ...argv, '--root', this.path], { input })).stdout
  }
}
