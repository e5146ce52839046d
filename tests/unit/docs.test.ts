import { existsSync, globSync, readFileSync } from 'node:fs'
import { dirname, join } from 'node:path'
import { expect, test } from 'vitest'

const ROOT = join(import.meta.dirname, '../..')
const read = (file: string) => readFileSync(join(ROOT, file), 'utf8')
// TypeDoc looks after its own.
const PAGES = globSync(['*.md', 'docs/**/*.md'], { cwd: ROOT, exclude: ['docs/reference/code/**'] })
const CODE = globSync(
  [
    '{bootstrap,scripts,secrets,server,tests}/**/*.{ts,sh}',
    '{nginx,systemd}/**/*.{conf,service,timer}',
    'docker-compose.prod.yml',
    'docs/monitoring/*.yaml',
  ],
  { cwd: ROOT },
)
/** What a path in a text begins with when it is one of ours, and not of a host. */
const FOLDERS = 'bootstrap|docs|nginx|scripts|secrets|server|systemd|tests'
/** Made by a command, or not a file: MCP names a method like that. */
const ELSEWHERE = ['secrets/secrets.enc.yaml', 'tests/drill/report/report.md', 'server/discover']

const anchors = new Map<string, ReadonlySet<string>>()

test('every link between pages leads to a file, and to a heading where it names one', () => {
  const links = PAGES.flatMap((page) =>
    [...read(page).matchAll(/\]\((?!https?:)([^)\s]+)\)/g)].map(([, target = '']) => ({ page, target })),
  )
  expect(links.length).toBeGreaterThan(100)
  const broken = links.filter(({ page, target }) => {
    const [path = '', anchor] = target.split('#')
    return !leads(path === '' ? page : join(dirname(page), path), anchor)
  })
  expect(broken).toEqual([])
})

test('every file of ours that a page names is there', () => {
  const named = PAGES.flatMap((page) =>
    [...read(page).matchAll(new RegExp(`(?<![\\w/.<>-])(?:\\./)?((?:${FOLDERS})/[\\w./-]*\\w)`, 'g'))].map(
      ([, path = '']) => ({ page, path }),
    ),
  )
  expect(named.length).toBeGreaterThan(100)
  const missing = named.filter(
    ({ page, path }) => !ELSEWHERE.includes(path) && !leads(path) && !leads(join(dirname(page), path)),
  )
  expect(missing).toEqual([])
})

test('every page that a message or a comment names is there', () => {
  const named = CODE.flatMap((file) =>
    [...read(file).matchAll(/\b(docs\/[\w/-]+\.md)(?:#([\w-]+))?/g)].map(([, page = '', anchor]) => ({
      file,
      page,
      anchor,
    })),
  )
  expect(named.length).toBeGreaterThan(20)
  expect(named.filter(({ page, anchor }) => !leads(page, anchor))).toEqual([])
})

function leads(file: string, anchor?: string): boolean {
  return existsSync(join(ROOT, file)) && (!anchor || anchorsOf(file).has(anchor))
}

/** As GitHub makes them from headings, and those that are written out. */
function anchorsOf(file: string): ReadonlySet<string> {
  const known = anchors.get(file)
  if (known !== undefined) return known
  const text = read(file)
  const headings = [...text.matchAll(/^#+ (.+)$/gm)].map(([, heading = '']) =>
    heading
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, '')
      .trim()
      .replaceAll(' ', '-'),
  )
  const found = new Set([...headings, ...[...text.matchAll(/<a id="([^"]+)"/g)].map(([, id = '']) => id)])
  anchors.set(file, found)
  return found
}
