import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Files } from './files.ts'

const ROOT = join(import.meta.dirname, '../..')
/** Where one part of the code meets another; what is behind them is best read where it stands. */
const CONTRACTS = [
  'bootstrap/lib/resource.ts',
  'secrets/schema.ts',
  'secrets/secret.ts',
  'server/audit/audit.ts',
  'server/auth/grants.ts',
  'server/auth/identity.ts',
  'server/auth/limits.ts',
  'server/config/env.ts',
  'server/db/listener.ts',
  'server/db/scoped.ts',
  'server/jobs/emit.ts',
  'server/jobs/job.ts',
  'server/jobs/runner.ts',
  'server/mcp/surface.ts',
  'server/mcp/tool-error.ts',
  'server/mcp/tool.ts',
  'server/media/media.ts',
  'server/meta/graph.ts',
  'server/numbers/numbers.ts',
  'server/numbers/vault.ts',
  'server/outbound/outbound.ts',
  'server/prompts/prompt.ts',
  'server/resources/resource.ts',
  'server/tools/dispatch.ts',
  'server/tools/services.ts',
]

/** One page per contract, by TypeDoc: without links to lines, which would change with every commit. */
export async function codePages(): Promise<Files> {
  // Loaded late: it brings a whole compiler.
  const { Application } = await import('typedoc')
  const app = await Application.bootstrapWithPlugins(
    {
      plugin: ['typedoc-plugin-markdown'],
      tsconfig: join(ROOT, 'tsconfig.json'),
      entryPoints: CONTRACTS.map((path) => join(ROOT, path)),
      basePath: ROOT,
      name: 'Code',
      readme: 'none',
      disableSources: true,
      disableGit: true,
      hideGenerator: true,
      excludeExternals: true,
      excludePrivate: true,
      // tsc has looked already.
      skipErrorChecking: true,
      validation: false,
      logLevel: 'Error',
      ...MARKDOWN,
    },
    // No files with options.
    [],
  )
  const project = await app.convert()
  if (project === undefined) throw new Error('TypeDoc could not read the code')
  const directory = await mkdtemp(join(tmpdir(), 'reference-'))
  try {
    app.options.setValue('outputs', [{ name: 'markdown', path: directory }])
    await app.generateOutputs(project)
    if (app.logger.hasErrors()) throw new Error('TypeDoc reported errors')
    return await readPages(directory)
  } finally {
    await rm(directory, { recursive: true })
  }
}

/** Options of the plugin, which TypeDoc's types do not know. */
const MARKDOWN: object = {
  router: 'module',
  entryFileName: 'README',
  hidePageHeader: true,
  hideBreadcrumbs: true,
  useCodeBlocks: true,
  expandObjects: true,
  interfacePropertiesFormat: 'table',
  typeDeclarationFormat: 'table',
  parametersFormat: 'table',
}

async function readPages(directory: string): Promise<Files> {
  const entries = await readdir(directory, { recursive: true, withFileTypes: true })
  const paths = entries
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(directory.length + 1))
  return new Map(
    await Promise.all(
      paths
        .sort()
        .map(async (path) => [`code/${path}`, await readFile(join(directory, path), 'utf8')] as const),
    ),
  )
}
